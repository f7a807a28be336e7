import { expect, test } from 'bun:test'
import { capabilityMask } from '../linux/processes/capabilities.ts'
import { keptCapabilities } from './shim-rights.ts'

test('what begins with the rights of a daemon has those of the list at most, and gets no other', () => {
  const program = `
    const { dropRights } = await import('${import.meta.dir}/shim-rights.ts')
    dropRights()
    Bun.spawnSync(['cat', '/proc/self/status'], { stdout: 'inherit' })
  `
  const start = (script: string) => {
    const argv = ['setpriv', '--inh-caps=+chown', '--', process.execPath, '-e', script]
    const status = Bun.spawnSync(argv).stdout.toString()
    return (field: string) => BigInt(`0x${new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(status)?.[1]}`)
  }
  const before = start(program.replace('dropRights()', ''))
  const after = start(program)
  const kept = capabilityMask(Object.keys(keptCapabilities) as (keyof typeof keptCapabilities)[])
  // Control: each is what the process would have otherwise.
  expect(before('CapInh')).toBe(1n)
  expect(before('CapBnd') & ~kept).not.toBe(0n)
  expect([after('CapInh'), after('CapBnd'), after('CapEff')]).toEqual([
    0n,
    before('CapBnd') & kept,
    before('CapBnd') & kept,
  ])
  const added = (field: string) => after(field) - before(field)
  expect([before('NoNewPrivs'), added('NoNewPrivs'), added('Seccomp_filters')]).toEqual([0n, 1n, 1n])
})

test('what begins with the rights of a daemon has no memory in its cores, whoever collects them', () => {
  const program = `
    const { dropRights } = await import('${import.meta.dir}/shim-rights.ts')
    dropRights()
    Bun.spawnSync(['setpriv', '--reuid', '65534', '--', 'cat', '/proc/self/coredump_filter'], { stdout: 'inherit' })
  `
  const { stdout, stderr } = Bun.spawnSync([process.execPath, '-e', program])
  expect([stdout.toString().trim(), stderr.toString()]).toEqual(['00000000', ''])
})
