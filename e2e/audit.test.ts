/** `kata-ts audit` over live sandboxes: everything as asked for, and a difference that is found when somebody makes one. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readProc } from '../src/linux/processes/proc.ts'
import type { AuditedProcess } from '../src/sandbox/records/audit.ts'
import { eventually, Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration } from './harness/vmm.ts'

const kata = new Kata()
const asRoot = `${kata.stateDir}/as-root.toml`
const configuration = { audited: [], 'as-root': ['--config', asRoot] }
beforeAll(async () => {
  const privilege = /^virtio_fs_privilege = .*$/m
  writeFileSync(asRoot, shippedConfiguration().replace(privilege, 'virtio_fs_privilege = "root"'))
  for (const [name, rootless] of [
    ['audited', 'true'],
    ['as-root', 'false'],
  ] as const) {
    const flags = ['--name', name, '--rootless', rootless, '-v', '/usr/share:/mnt:ro', ...configuration[name]]
    expect((await kata.call(['run', '-d', ...flags, '--', 'sleep', '600'])).code).toBe(0)
  }
}, slow(60_000))
afterAll(() => kata.close(), slow(60_000))

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
    expect(processes.map(({ name }) => name)).toEqual([
      ...['virtiofsd', 'virtiofsd-worker', 'vmm', 'vmm-waiter', 'shim'],
    ])
    for (const { rows, name } of processes)
      expect({ name, rows: rows.filter((row) => row.expected !== row.actual) }).toEqual({ name, rows: [] })
  }
  expect(code).toBe(0)
})

test('the posture is the whole one, and says who runs the VMM', async () => {
  const uidOf = async (name: string) => {
    const [sandbox] = (await audit(name)).sandboxes
    const { rows } = sandbox!.processes.find((process) => process.name === 'vmm')!
    for (const field of [
      'CapEff',
      'noNewPrivs',
      'seccomp',
      'namespaces.net',
      'mounts',
      'descriptors.3',
      'landlock',
    ])
      expect(rows.map((row) => row.field)).toContain(field)
    return rows.find(({ field }) => field === 'uid')!.actual
  }
  const { sandbox } = await kata.inspect('audited')
  expect(await uidOf('default/audited')).toBe(Array(4).fill(sandbox.uid).join(' '))
  expect(await uidOf('as-root')).toBe('0 0 0 0')
})

test('a pod with a volume that it writes has a virtiofsd more, and both are as asked for', async () => {
  const volume = `${kata.stateDir}/written`
  mkdirSync(volume)
  const run = ['run', '-d', '--name', 'writing', '-v', `${volume}:/mnt`, '--', 'sleep', '600']
  expect((await kata.call(run)).code).toBe(0)
  await kata.call(['exec', 'writing', '--', 'sh', '-c', 'echo x > /mnt/x; ls -R /mnt /usr >/dev/null'])
  const { code, sandboxes } = await audit('writing')
  expect(sandboxes[0]!.processes.map(({ name, differences }) => [name, differences])).toEqual(
    [
      ...['virtiofsd', 'virtiofsd-volumes', 'virtiofsd-volumes-worker', 'virtiofsd-worker'],
      ...['vmm', 'vmm-waiter', 'shim'],
    ].map((name) => [name, 0]),
  )
  expect(code).toBe(0)
  expect((await kata.inspect('writing')).sandbox.virtiofsdPids).toHaveLength(4)
  expect((await kata.call(['rm', '-f', 'writing'])).code).toBe(0)
})

test('virtiofsd as root is no difference where it was asked to be root', async () => {
  const uids = async (name: string) => {
    const daemons = (await audit(name)).sandboxes[0]!.processes.filter(({ name }) =>
      name.startsWith('virtiofsd'),
    )
    return daemons.map(({ rows }) => rows.find(({ field }) => field === 'uid')!.actual)
  }
  const { sandbox } = await kata.inspect('audited')
  expect(sandbox.virtiofsdUid).toBeGreaterThan(0)
  expect(await uids('audited')).toEqual(Array(2).fill(Array(4).fill(sandbox.virtiofsdUid).join(' ')))
  expect(await uids('as-root')).toEqual(Array(2).fill('0 0 0 0'))
})

test('a busy file server, whose threads take the ids of users of the guest, is as asked for', async () => {
  const script =
    'i=0; while [ $i -lt 300 ]; do echo x > /tmp/$i; chown 5:6 /tmp/$i; rm /tmp/$i; i=$((i+1)); done'
  const working = kata.call(['exec', '-u', '12:34', 'audited', '--', 'sh', '-c', script])
  const codes = new Set<number>()
  for (let round = 0; round < 5; round++) codes.add((await audit('audited')).code)
  await working
  expect([...codes]).toEqual([0])
})

test('a difference is marked and makes the exit code 1', async () => {
  const { sandbox } = await kata.inspect('as-root')
  // Somebody changes the live VMM. The soft limit of a process of one's own user may go down and up again.
  const change = (soft: number) =>
    Bun.spawnSync(['prlimit', '--pid', `${sandbox.vmmPid}`, `--nofile=${soft}:`]).exitCode
  expect(change(512)).toBe(0)
  const { code, stdout } = await kata.call(['audit', 'as-root'])
  expect(code).toBe(1)
  expect(stdout).toMatch(/^vmm, process \d+: 1 DIFFERENCE$/m)
  expect(stdout).toMatch(/^! +limits\.nofile +1024:1024 +512:1024$/m)
  expect((await audit()).code).toBe(1)
  expect((await audit('audited')).code).toBe(0)
  expect(change(1024)).toBe(0)
  expect((await audit('as-root')).code).toBe(0)
})

test('a process that nobody asked for, of a user of the sandbox, is a difference', async () => {
  const { sandbox } = await kata.inspect('audited')
  for (const uid of [sandbox.uid, sandbox.virtiofsdUid] as number[]) {
    const ids = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
    const stranger = Bun.spawn(['setpriv', ...ids, 'sleep', '60'])
    const isThere = () => readProc(`/proc/${stranger.pid}/comm`) === 'sleep\n'
    await eventually('it is that user', () => isThere() || undefined)
    const { code, sandboxes } = await audit('audited')
    stranger.kill()
    await stranger.exited
    expect(code).toBe(1)
    expect(sandboxes[0]!.processes.filter(({ differences }) => differences > 0)).toEqual([
      {
        name: 'unknown',
        pid: stranger.pid,
        differences: 1,
        rows: [{ field: 'process', expected: 'none', actual: 'sleep' }],
      },
    ])
  }
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

test('a sandbox that is not there or has ended is an error that names it', async () => {
  expect((await kata.call(['run', '--name', 'ended', '--', 'true'])).code).toBe(0)
  for (const name of ['nobody', 'ended', 'other/audited']) {
    const { code, stdout, stderr } = await kata.call(['audit', name])
    expect({ failed: code !== 0, stdout }).toEqual({ failed: true, stdout: '' })
    expect(stderr).toContain(`[SANDBOX_NOT_RUNNING] there is no running sandbox ${name}`)
  }
})

test('without any sandbox there is nothing to differ', async () => {
  await kata.call(['rm', '-f', 'audited', 'as-root'])
  expect(await kata.call(['audit'])).toEqual({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('no sandbox is running'),
  })
  expect(await audit()).toEqual({ code: 0, sandboxes: [] })
})
