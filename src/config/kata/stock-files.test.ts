import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '../../log.ts'
import { loadConfigText } from '../load.ts'

/** Loads one of stock-files/ and returns what it says. */
function load(name: string) {
  const warnings: string[] = []
  const log = createLogger({ sink: ({ message }) => warnings.push(message) })
  const bytes = readFileSync(join(import.meta.dir, 'stock-files', name))
  return { config: loadConfigText(`/${name}`, bytes, log, { cpus: 4, memoryMiB: 8192 }), warnings }
}

test.each(['qemu-runtime-rs.toml', 'clh-runtime-rs.toml'])('%s of runtime-rs is read as it is', (name) => {
  const { hypervisor, runtime } = load(name).config
  expect(hypervisor.virtioFsExtraArgs).toEqual(['--thread-pool-size=1', '--announce-submounts'])
  expect(hypervisor.enableAnnotations).toContain('default_memory')
  expect(runtime.createContainerTimeout).toBe(30)
})

test.each(['qemu', 'clh', 'fc', 'qemu-runtime-rs', 'clh-runtime-rs', 'fc-runtime-rs'])(
  '%s.toml asks for nothing that is not there: no warning',
  (name) => {
    expect(load(`${name}.toml`).warnings).toEqual([])
  },
)
