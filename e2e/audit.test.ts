/** `kata-ts audit` over live sandboxes: everything as asked for, and a difference that is found when somebody makes one. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AuditedProcess } from '../src/sandbox/audit.ts'
import { Kata } from './harness/kata.ts'

const kata = new Kata()
beforeAll(async () => {
  for (const [name, rootless] of [
    ['audited', 'true'],
    ['as-root', 'false'],
  ] as const) {
    const flags = ['--name', name, '--rootless', rootless, '-v', '/usr/share:/mnt:ro']
    expect((await kata.call(['run', '-d', ...flags, '--', 'sleep', '600'])).code).toBe(0)
  }
}, 60_000)
afterAll(async () => {
  await kata.call(['rm', '-f', 'audited', 'as-root'])
  await kata.close()
}, 60_000)

async function audit(...args: string[]) {
  const { code, stdout } = await kata.call(['audit', '--format', 'json', ...args])
  const sandboxes = JSON.parse(stdout) as { id: string; processes: AuditedProcess[] }[]
  return { code, sandboxes }
}

test('every process of every sandbox is as it was asked to be, after its container has worked', async () => {
  await kata.call(['exec', 'audited', '--', 'sh', '-c', 'ls -R /mnt >/dev/null; echo x >/tmp/x'])
  const { code, sandboxes } = await audit()
  expect(sandboxes.map(({ id }) => id).sort()).toEqual(['as-root', 'audited'])
  for (const { processes } of sandboxes) {
    expect(processes.map(({ name }) => name)).toEqual(['virtiofsd', 'virtiofsd-worker', 'vmm', 'shim'])
    for (const { rows, name } of processes)
      expect({ name, rows: rows.filter((row) => row.expected !== row.actual) }).toEqual({ name, rows: [] })
  }
  expect(code).toBe(0)
})

test('the posture is the whole one, and says who runs the VMM', async () => {
  const uidOf = async (name: string) => {
    const [sandbox] = (await audit(name)).sandboxes
    const { rows } = sandbox!.processes.find((process) => process.name === 'vmm')!
    for (const field of ['CapEff', 'noNewPrivs', 'seccomp', 'namespaces.net', 'mounts', 'descriptors.3'])
      expect(rows.map((row) => row.field)).toContain(field)
    return rows.find(({ field }) => field === 'uid')!.actual
  }
  const { sandbox } = await kata.inspect('audited')
  expect(await uidOf('default/audited')).toBe(Array(4).fill(sandbox.uid).join(' '))
  expect(await uidOf('as-root')).toBe('0 0 0 0')
})

test('a difference is marked and makes the exit code 1', async () => {
  const { sandbox } = await kata.inspect('audited')
  // Somebody gives the live VMM more room than it was started with.
  const change = (limit: string) =>
    Bun.spawnSync(['prlimit', '--pid', `${sandbox.vmmPid}`, `--nofile=${limit}`])
  expect(change('2048:2048').exitCode).toBe(0)
  const { code, stdout } = await kata.call(['audit', 'audited'])
  expect(code).toBe(1)
  expect(stdout).toMatch(/vmm, process \d+: 1 DIFFERENCES/)
  expect(stdout).toMatch(/^! +limits\.nofile +1024:1024 +2048:2048$/m)
  expect((await audit('as-root')).code).toBe(0)
  expect(change('1024:1024').exitCode).toBe(0)
  expect((await audit('audited')).code).toBe(0)
})

test('a process that has gone is a difference', async () => {
  const { sandbox } = await kata.inspect('as-root')
  const record = `${sandbox.stateDir}/postures/vmm.json`
  const text = readFileSync(record, 'utf8')
  writeFileSync(record, text.replace(/"startTime":"\d+"/, '"startTime":"1"'))
  const { code, sandboxes } = await audit('as-root')
  expect(code).toBe(1)
  const vmm = sandboxes[0]!.processes.find(({ name }) => name === 'vmm')!
  expect(vmm.rows).toEqual([{ field: 'process', expected: 'running', actual: 'gone' }])
  writeFileSync(record, text)
})

test('an unknown sandbox is an error that names it', async () => {
  const { code, stderr } = await kata.call(['audit', 'nobody'])
  expect(code).not.toBe(0)
  expect(stderr).toContain('[SANDBOX_NOT_RUNNING] there is no running sandbox nobody')
})
