import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'

// Each script is compiled first.
setDefaultTimeout(60_000)

/** What the agent finds in such a sysfs; the ports of `late` have their names only once it looks for the second time. */
async function found({ features = '', ports = {}, late = {} }: Sysfs): Promise<string> {
  const sysfs = mkdtempSync(join(tmpdir(), 'virtio-port-'))
  const write = (path: string, text: string) => {
    mkdirSync(join(sysfs, path, '..'), { recursive: true })
    writeFileSync(join(sysfs, path), text)
  }
  try {
    write('bus/virtio/devices/virtio0/device', '0x0001\n')
    write('bus/virtio/devices/virtio0/features', '11\n')
    write('bus/virtio/devices/virtio1/device', '0x0003\n')
    write('bus/virtio/devices/virtio1/features', `${features}\n`)
    for (const [port, name] of Object.entries(ports)) write(`class/virtio-ports/${port}/name`, `${name}\n`)
    for (const port of Object.keys(late)) write(`class/virtio-ports/${port}/name`, '')
    const names = Object.entries(late).map(([port, name]) => [
      join(sysfs, `class/virtio-ports/${port}/name`),
      name,
    ])
    return await inQuickjs({
      imports: `
        import { save } from ${JSON.stringify(`${sources}/system/files.ts`)}
        import { findAgentPort } from ${JSON.stringify(`${sources}/transport/virtio-port.ts`)}`,
      body: `
        const port = findAgentPort(${JSON.stringify(sysfs)})
        for (const [path, name] of ${JSON.stringify(names)}) save(path, name)
        out.puts(String(await port))`,
    })
  } finally {
    rmSync(sysfs, { recursive: true })
  }
}

interface Sysfs {
  readonly features?: string
  readonly ports?: Readonly<Record<string, string>>
  readonly late?: Readonly<Record<string, string>>
}

describe.skipIf(!hasQuickjs)('the agent’s port', () => {
  test('is found by its name', async () => {
    const ports = { vport1p1: 'another', vport1p2: 'agent.channel.0' }
    expect(await found({ features: '01', ports })).toBe('/dev/vport1p2')
  })

  test('is waited for where a busy host has not told of it yet', async () => {
    expect(await found({ features: '01', late: { vport1p1: 'agent.channel.0' } })).toBe('/dev/vport1p1')
  })

  test('is not where a console has no ports', async () => {
    expect(await found({ features: '10' })).toBe('undefined')
  })
})
