/** Machines that wait for their pods: each is its pod's alone, there are never more than asked for, and none outlives its pool server. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { replaceFile } from '../src/linux/files/replace-file.ts'
import { isAlive, type ProcessRef, processRef } from '../src/linux/processes/proc.ts'
import { silentLogger } from '../src/log.ts'
import { readPostureRecords } from '../src/rootless/posture/posture-record.ts'
import { rereadMs } from '../src/sandbox/pool/config-watch.ts'
import { listPool, type PoolEntry } from '../src/sandbox/pool/pool.ts'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { argumentsOf, shimsBelow } from './harness/host/processes.ts'
import { eventually, Kata, type Outcome } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const bound = 2

let kata: Kata
let directory: string
let server: ReturnType<Kata['spawn']>
const file = () => `${directory}/configuration.toml`

function configure(hypervisor = '', name = 'configuration.toml', number = bound): string {
  const table = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\n${hypervisor}`
  const factory = `[factory]\nenable_template = true\ntemplate_path = "${directory}/templates"\nvm_cache_number = ${number}\n`
  // The pool server may read it at any moment, and an empty one is a configuration, too.
  replaceFile(`${directory}/${name}`, configuration(`${table}${factory}`))
  return `${directory}/${name}`
}

/** The pressure of a host that is idle but for what the test says: that of this one changes with the other tests. */
function press(memory: number, cpu = 0): void {
  const line = (value: number) => `some avg10=${value}.00 avg60=0.00 avg300=0.00 total=0\n`
  mkdirSync(`${directory}/pressure`, { recursive: true })
  writeFileSync(`${directory}/pressure/cpu`, line(cpu))
  writeFileSync(`${directory}/pressure/memory`, line(memory))
}

const serve = () =>
  kata.spawn(['factory', 'serve', '--config', file()], {
    env: { KATA_TS_PRESSURE_DIR: `${directory}/pressure` },
  })
const factory = (action: string) => kata.call(['factory', action, '--config', file()])
const run = (script: string, ...flags: string[]): Promise<Outcome> =>
  kata.run(['sh', '-c', script], { flags: ['--config', file(), ...flags] })
const start = (name: string, ...flags: string[]) =>
  kata.call(['run', '-d', '--name', name, '--config', file(), ...flags, '--', 'sleep', '600'])

const pool = (): PoolEntry[] => listPool(kata.runDir, silentLogger)
const waiting = (): PoolEntry[] => pool().filter(({ state }) => state === 'waiting')
const filled = () => eventually('a full pool', () => waiting().length === bound || undefined, 60_000)
const emptied = () =>
  eventually('an empty pool', () => readdirSync(`${kata.runDir}/pool`).length === 0 || undefined, 60_000)
/** A shim’s last act is to remove its directory. */
const ended = (processes: readonly ProcessRef[]) =>
  eventually('the end of processes', () => !processes.some(isAlive) || undefined)
/** Every process that a waiting machine has, its shim first. */
const processesOf = ({ paths, shim }: PoolEntry) => [
  ...[shim!],
  ...readPostureRecords(paths.stateDir).map(({ ref }) => ref),
]
const kill = (pid: number, signal: NodeJS.Signals = 'SIGKILL') => process.kill(pid, signal)
const vmmOf = ({ paths }: PoolEntry) =>
  readPostureRecords(paths.stateDir).find(({ name }) => name === 'vmm')!.ref

beforeAll(async () => {
  kata = new Kata()
  directory = ownDirectory('/var/lib/kata-ts-e2e-pool-')
  configure()
  press(0)
  expect(await factory('init')).toMatchObject({ code: 0, stderr: '' })
}, slow(120_000))
beforeEach(() => {
  press(0)
  server = serve()
})
afterEach(async () => {
  // Of a test that failed. The next one counts what is there.
  await kata.removeContainers()
  server.kill('SIGCONT')
  server.kill('SIGTERM')
  await server.exited
}, slow(60_000))
afterAll(async () => {
  await factory('destroy')
  await kata.close()
  rmSync(directory, { recursive: true })
})

test(
  'as many wait as were asked for, each with a user of its own, and only root comes to them',
  async () => {
    await filled()
    await Bun.sleep(1500)
    expect(pool()).toHaveLength(bound)
    expect(statSync(`${kata.runDir}/pool`)).toMatchObject({ uid: 0, mode: 0o40700 })
    for (const { paths } of pool())
      expect(statSync(`${paths.stateDir}/adopt.sock`)).toMatchObject({ uid: 0, mode: 0o140600 })
    const users = pool().map(
      ({ paths }) => readPostureRecords(paths.stateDir).find(({ name }) => name === 'vmm')!.expected.uid,
    )
    expect(new Set(users).size).toBe(bound)
    expect(users).not.toContain(0)
    expect(JSON.parse((await kata.call(['ps', '--format', 'json'])).stdout)).toEqual([])
    const audit = await kata.call(['audit'])
    expect(audit).toMatchObject({ code: 0, stderr: '' })
    for (const { id } of pool()) expect(audit.stdout).toContain(`sandbox pool/${id}\n`)
    expect(audit.stdout.match(/^vmm, process \d+: as asked for$/gm)).toHaveLength(bound)
    const { stdout } = await kata.call(['factory', 'status', '--config', file(), '--format', 'json'])
    expect(JSON.parse(stdout)).toEqual({
      templates: [expect.objectContaining({ state: 'usable', waiting: bound })],
      pool: { pid: server.pid, number: bound, waiting: bound, starting: 0, doing: 'full', reason: '' },
    })
    const second = await kata.call(['factory', 'serve', '--config', file()])
    expect(second).toMatchObject({ code: 1 })
    expect(second.stderr).toContain('[POOL_SERVED]')
  },
  slow(120_000),
)

test(
  'two pods take the machines that wait, and have nothing of each other',
  async () => {
    await filled()
    const before = waiting().map(({ id }) => id)
    // Until both have started none comes in the place of the first, which the second could take.
    press(0, 60)
    const names = ['left', 'right'] as const
    for (const name of names) expect(await start(name)).toMatchObject({ code: 0, stderr: '' })
    press(0)
    const facts = await Promise.all(names.map((name) => kata.inspect(name)))
    expect(facts.map(({ sandbox }) => sandbox.waited).sort()).toEqual(before.sort())
    expect(facts[0].sandbox.uid).not.toBe(facts[1].sandbox.uid)
    // Lists of processes show them as shims of their pods.
    const shims = shimsBelow(kata.runDir).filter((pid) =>
      facts.some(({ sandbox }) => sandbox.shimPid === pid),
    )
    expect(shims.map((pid) => argumentsOf(pid)[4]).sort()).toEqual([...names])
    const random = '/proc/sys/kernel/random'
    const look = [
      ...[`cat ${random}/boot_id`, `cat ${random}/uuid`, 'head -c 16 /dev/urandom | od -An -tx1'],
      "grep stack /proc/self/maps | cut -d' ' -f1",
    ]
    for (const command of look) {
      const said = await Promise.all(names.map((name) => kata.call(['exec', name, 'sh', '-c', command])))
      for (const outcome of said) expect(outcome).toMatchObject({ code: 0, stderr: '' })
      expect({ command, same: said[0]!.stdout === said[1]!.stdout }).toEqual({ command, same: false })
    }
    const hosts = await Promise.all(names.map((name) => kata.call(['exec', name, 'hostname'])))
    const started = JSON.parse((await kata.call(['ps', '--format', 'json'])).stdout) as { id: string }[]
    expect(started.map(({ id }) => id).sort()).toEqual([...names])
    expect(new Set(hosts.map(({ stdout }) => stdout)).size).toBe(2)
    const audit = await kata.call(['audit', ...names])
    expect(audit).toMatchObject({ code: 0 })
    expect(audit.stdout.match(/^vmm, process \d+: as asked for$/gm)).toHaveLength(2)
    // Used ones do not come back; others take their place.
    await filled()
    expect(waiting().filter(({ id }) => before.includes(id))).toEqual([])
    for (const name of names) await kata.call(['rm', '-f', name])
    expect(existsSync(`${kata.runDir}/default/left`)).toBe(false)
    for (const id of before) expect(existsSync(`${kata.runDir}/pool/${id}`)).toBe(false)
  },
  slow(180_000),
)

test(
  'a pod has its own clock, size, volumes and network in a machine that waited',
  async () => {
    await filled()
    const volume = `${directory}/volume`
    mkdirSync(volume, { recursive: true })
    const flags = ['-m', '512m', '--cpus', '2', '-v', `${volume}:/data`, '--network', 'bridge']
    // It has the time of its start, by a call that takes a moment.
    const before = Math.floor(Date.now() / 1000)
    expect(await start('own', ...flags)).toMatchObject({ code: 0, stderr: '' })
    expect((await kata.inspect('own')).sandbox.waited).toMatch(/^[0-9a-f]{8}$/)
    const script = 'date +%s; nproc; ls /sys/class/net | tr "\\n" " "; echo; echo written > /data/file'
    const { code, stdout, stderr } = await kata.call(['exec', 'own', 'sh', '-c', script])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [time, cpus, cards] = stdout.split('\n')
    expect(Number(time)).toBeGreaterThanOrEqual(before)
    expect(Number(time)).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
    expect(cpus).toBe('2')
    expect(cards!.trim().split(' ')).toContain('eth0')
    expect(readdirSync(volume)).toEqual(['file'])
    expect((await kata.call(['audit', 'own'])).stdout).toMatch(/^vmm, process \d+: as asked for$/m)
    // It is counted where every machine is.
    const other = configure('kernel_params = "other=1"\n', 'other.toml')
    expect(
      await kata.call(['run', '-d', '--name', 'plain', '--config', other, '--', 'sleep', '600']),
    ).toMatchObject({
      code: 0,
    })
    expect(await cgroupsOf('own')).toEqual(await cgroupsOf('plain'))
    const posture =
      "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status; cat /proc/self/cgroup"
    const [own, plain] = await Promise.all(
      ['own', 'plain'].map((name) => kata.call(['exec', name, 'sh', '-c', `${posture}; ls /sys/fs/cgroup`])),
    )
    expect(own!.stdout).toContain('CapEff')
    expect(own).toEqual(plain!)
    await kata.call(['rm', '-f', 'own'])
    await kata.call(['rm', '-f', 'plain'])
  },
  slow(120_000),
)

/** Of its shim, its VMM and its first virtiofsd, in every hierarchy. */
async function cgroupsOf(name: string): Promise<string[][]> {
  const { shimPid, vmmPid, virtiofsdPids } = (await kata.inspect(name)).sandbox
  return [shimPid, vmmPid, virtiofsdPids[0]].map((pid) =>
    readFileSync(`/proc/${pid}/cgroup`, 'utf8').replaceAll(name, 'NAME').split('\n'),
  )
}

test(
  'a pod of another configuration takes none',
  async () => {
    await filled()
    const before = waiting().map(({ id }) => id)
    const other = configure('kernel_params = "other=1"\n', 'other.toml')
    const outcome = await kata.run(['grep', '-o', 'other=1', '/proc/cmdline'], { flags: ['--config', other] })
    expect(outcome).toMatchObject({ code: 0, stdout: 'other=1\n' })
    expect(waiting().map(({ id }) => id)).toEqual(before)
  },
  slow(120_000),
)

test(
  'memory pressure ends all that wait and nothing of pods, and the pool fills again afterwards',
  async () => {
    await filled()
    expect(await start('lasting')).toMatchObject({ code: 0, stderr: '' })
    await filled()
    const processes = pool().flatMap(processesOf)
    // One whose shim hangs is killed.
    kill(waiting()[0]!.shim!.pid, 'SIGSTOP')
    press(40)
    await emptiedBut('lasting')
    await ended(processes)
    expect(await run('echo cloned')).toEqual({ code: 0, stdout: 'cloned\n', stderr: '' })
    press(0)
    await filled()
    expect(await kata.call(['exec', 'lasting', 'echo', 'here'])).toMatchObject({ code: 0, stdout: 'here\n' })
    await kata.call(['rm', '-f', 'lasting'])
  },
  slow(180_000),
)

/** Until none is in the pool but that of one pod. */
async function emptiedBut(name: string): Promise<void> {
  const { waited } = (await kata.inspect(name)).sandbox
  await eventually(
    'an empty pool',
    () => readdirSync(`${kata.runDir}/pool`).join() === waited || undefined,
    60_000,
  )
}

test(
  'a start does not wait for a shim that was killed, or that hangs: it says so, and starts as a clone',
  async () => {
    await filled()
    server.kill('SIGSTOP')
    const [killed, hanging] = waiting()
    kill(killed!.shim!.pid)
    await eventually('its end', () => !isAlive(killed!.shim!) || undefined)
    kill(hanging!.shim!.pid, 'SIGSTOP')
    const outcome = await run('echo started')
    expect(outcome).toMatchObject({ code: 0, stdout: 'started\n' })
    expect(outcome.stderr.match(/\[POOL_UNUSABLE\]/g)).toHaveLength(2)
    expect(outcome.stderr).toContain('gave no answer within 2 s')
    expect(isAlive(hanging!.shim!)).toBe(false)
    server.kill('SIGCONT')
    await filled()
    expect(waiting().map(({ id }) => id)).not.toContain(killed!.id)
    expect(existsSync(killed!.paths.stateDir)).toBe(false)
  },
  slow(120_000),
)

test(
  'a VMM that is killed while it waits costs its machine alone',
  async () => {
    await filled()
    const [killed] = waiting()
    kill(vmmOf(killed!).pid)
    await eventually('its machine to go', () => !existsSync(killed!.paths.stateDir) || undefined)
    await filled()
    expect(isAlive(killed!.shim!)).toBe(false)
    expect(await run('echo started')).toEqual({ code: 0, stdout: 'started\n', stderr: '' })
  },
  slow(120_000),
)

test(
  'a changed configuration has others wait, and a new template too',
  async () => {
    await filled()
    const before = pool()
    configure('', 'configuration.toml', bound - 1)
    await ended(before.flatMap(processesOf))
    const [one] = await eventually(
      'another machine',
      () => (waiting().length > 0 ? waiting() : undefined),
      60_000,
    )
    expect(await start('taker')).toMatchObject({ code: 0, stderr: '' })
    expect((await kata.inspect('taker')).sandbox.waited).toBe(one!.id)
    expect(await kata.call(['rm', '-f', 'taker'])).toMatchObject({ code: 0 })

    // What cannot be read leaves what waits.
    const [another] = await eventually(
      'one more',
      () => (waiting().length > 0 ? waiting() : undefined),
      60_000,
    )
    replaceFile(file(), '[hypervisor')
    await Bun.sleep(2 * rereadMs)
    expect(waiting().map(({ id }) => id)).toEqual([another!.id])
    configure()
    await filled()

    const former = pool()
    expect(await factory('init')).toMatchObject({ code: 0, stderr: '' })
    await ended(former.flatMap(processesOf))
    await filled()
    expect(await run('echo started')).toEqual({ code: 0, stdout: 'started\n', stderr: '' })
  },
  slow(240_000),
)

test(
  'what the load of the host keeps the pool from is said',
  async () => {
    await filled()
    press(0, 60)
    expect(await start('taker')).toMatchObject({ code: 0, stderr: '' })
    const pressed = async () => {
      const { stdout } = await factory('status')
      return stdout.includes(
        'pool: 1 of 2 machines wait, held back: tasks wait for a processor 25 % of the time or more\n',
      )
    }
    await eventually('the pool to say so', async () => (await pressed()) || undefined)
    expect(waiting()).toHaveLength(bound - 1)
    await kata.call(['rm', '-f', 'taker'])
  },
  slow(120_000),
)

test(
  'nothing waits longer than its pool server lives, and gc removes what is left of both',
  async () => {
    await filled()
    const processes = pool().flatMap(processesOf)
    server.kill('SIGKILL')
    await emptied()
    await ended(processes)

    server = serve()
    await filled()
    const entries = pool()
    const others = entries.flatMap(processesOf)
    server.kill('SIGSTOP')
    for (const { shim } of entries) kill(shim!.pid)
    server.kill('SIGKILL')
    await eventually('their end', () => entries.every(({ shim }) => !isAlive(shim!)) || undefined)
    const { code, stdout } = await kata.call(['gc'])
    expect(code).toBe(0)
    for (const { id } of entries)
      expect(stdout).toMatch(new RegExp(`^waiting machine +${id} +released$`, 'm'))
    await ended(others)
    expect(readdirSync(`${kata.runDir}/pool`)).toEqual([])
    expect(await run('echo started')).toEqual({ code: 0, stdout: 'started\n', stderr: '' })
  },
  slow(180_000),
)

test(
  'a pod outlives the pool that its machine came from, and a killed shim of it is collected like any',
  async () => {
    await filled()
    expect(await start('kept')).toMatchObject({ code: 0, stderr: '' })
    const { waited, shimPid, vmmPid } = (await kata.inspect('kept')).sandbox
    expect(waited).toMatch(/^[0-9a-f]{8}$/)
    server.kill('SIGTERM')
    expect(await server.exited).toBe(0)
    expect(readdirSync(`${kata.runDir}/pool`)).toEqual([waited])
    expect(await kata.call(['exec', 'kept', 'echo', 'here'])).toMatchObject({ code: 0, stdout: 'here\n' })
    const machine = processRef(vmmPid)!
    kill(shimPid)
    expect((await kata.call(['rm', '-f', 'kept'])).code).toBe(0)
    expect(isAlive(machine)).toBe(false)
    expect(readdirSync(`${kata.runDir}/pool`)).toEqual([])
    expect((await kata.call(['gc'])).stdout).toBe('nothing to collect\n')
  },
  slow(120_000),
)

test(
  'destroy ends all that wait',
  async () => {
    await filled()
    const processes = pool().flatMap(processesOf)
    expect((await factory('destroy')).stdout).toMatch(/^[0-9a-f]{12}\n$/)
    await ended(processes)
    expect(waiting()).toEqual([])
  },
  slow(120_000),
)
