// test:vmm: qemu
/** Machines that are saved: suspended ones go on, snapshots and forks begin others, and what cannot be trusted does not go on. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { namesIn } from '../src/linux/files/names-in.ts'
import { isAlive, processRef } from '../src/linux/processes/proc.ts'
import { Sandbox } from '../src/sdk/sdk.ts'
import { configuration } from './harness/configuration.ts'
import { ownDirectory } from './harness/directories.ts'
import { executable } from './harness/executable.ts'
import { eventually, Kata, type Outcome } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
let directory: string

/** As the runtime is configured, without a shared file system unless `shared` is another. */
function configure(name: string, shared = 'none', more = ''): string {
  const table = `[hypervisor.qemu]\nrootless = true\ndefault_memory = 256\nshared_fs = "${shared}"\n${more}`
  writeFileSync(`${directory}/${name}`, configuration(table))
  return `${directory}/${name}`
}

/**
 * It keeps a random name in its memory alone, and counts. It starts no program for the pauses: on the lab host the emulated SVM breaks
 * guests that start many (docs/what-ran-where.md).
 */
const script = `
  read name </proc/sys/kernel/random/uuid; echo kept >/file; mkfifo /silent; exec 3<>/silent; n=0
  while :; do n=$((n+1)); echo "$name $n"; read -t 0.1 -u 3 none; done`
const run = (name: string, flags: readonly string[], config = `${directory}/disks.toml`): Promise<Outcome> =>
  kata.call(['run', '-d', '--name', name, '--config', config, ...flags, '--', 'sh', '-c', script])
const shell = (name: string, command: string) => kata.call(['exec', name, 'sh', '-c', command])
const pathOf = (name: string) => `${kata.stateDir}/containers/default/${name}`

interface Line {
  readonly name: string
  readonly n: number
}

async function lines(name: string): Promise<Line[]> {
  const { stdout } = await kata.call(['logs', name])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ name: line.split(' ')[0]!, n: Number(line.split(' ')[1]) }))
}

/** Waits for a later line than the last one, and returns all. */
async function goesOn(name: string): Promise<Line[]> {
  const { length } = await lines(name)
  return eventually(`${name} to count on`, async () => {
    const now = await lines(name)
    return now.length > length ? now : undefined
  })
}

/** One process has counted, and nothing of what it said was lost. */
function expectWhole(said: readonly Line[], from = 1): void {
  expect(new Set(said.map(({ name }) => name)).size).toBe(1)
  expect(said.map(({ n }) => n)).toEqual(said.map((_, index) => from + index))
}

const statusOf = async (name: string): Promise<string> => (await kata.inspect(name)).status

beforeAll(async () => {
  kata = new Kata()
  directory = ownDirectory('/var/lib/kata-ts-e2e-suspend-')
  configure('disks.toml')
  expect(await run('first', ['--storage-opt', 'size=32M'])).toMatchObject({ code: 0, stderr: '' })
}, slow(120_000))
afterAll(async () => {
  await kata.close()
  rmSync(directory, { recursive: true })
})

test(
  'a suspended container has no process, and goes on in a machine of another user where it was',
  async () => {
    const before = (await kata.inspect('first')).sandbox
    const processes = [before.vmmPid, before.shimPid].map((pid) => processRef(pid)!)
    await goesOn('first')
    expect(await kata.call(['suspend', 'first'])).toEqual({ code: 0, stdout: 'first\n', stderr: '' })
    expect(await statusOf('first')).toBe('suspended')
    expect(processes.filter(isAlive)).toEqual([])
    expect(existsSync(`${kata.runDir}/default/first`)).toBe(false)
    const saved = `${pathOf('first')}/suspended`
    expect(statSync(saved)).toMatchObject({ uid: 0, gid: 0, mode: 0o40700 })
    for (const name of readdirSync(saved))
      expect(statSync(`${saved}/${name}`)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 })
    expect((await kata.call(['start', 'first'])).stderr).toContain('[CONTAINER_NOT_ENDED]')
    // A clock that is not set again is late by this, and the guest runs for less than that before it is asked.
    await Bun.sleep(5000)

    // The guest is told its time by a call that takes a moment, the first one since it was saved.
    const resumedAfter = Math.floor(Date.now() / 1000)
    expect(await kata.call(['resume', 'first'])).toEqual({ code: 0, stdout: 'first\n', stderr: '' })
    const date = Number((await shell('first', 'date +%s; cat /file')).stdout.split('\n')[0])
    expect(date).toBeGreaterThanOrEqual(resumedAfter)
    expect(date).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
    expectWhole(await goesOn('first'))
    const after = (await kata.inspect('first')).sandbox
    expect(after.rootless).toBe(true)
    expect(after.uid).not.toBe(before.uid)
    expect(await kata.call(['audit'])).toMatchObject({ code: 0 })
    expect(existsSync(saved)).toBe(false)
    expect((await kata.call(['resume', 'first'])).stderr).toContain('[CONTAINER_NOT_SUSPENDED]')
  },
  slow(120_000),
)

test(
  'forks and what goes on from a snapshot have the memory of that moment, and nothing of each other',
  async () => {
    expect(await kata.call(['fork', 'first', 'fork'])).toEqual({ code: 0, stdout: 'fork\n', stderr: '' })
    const made = await kata.call(['snapshot', 'create', 'first', 'warm'])
    expect(made).toEqual({ code: 0, stdout: 'warm\n', stderr: '' })
    // It stood still for both, and is not late by that.
    const now = Math.floor(Date.now() / 1000)
    expect(Number((await shell('first', 'date +%s')).stdout)).toBeGreaterThanOrEqual(now)
    const again = await kata.call(['snapshot', 'create', 'first', 'warm'])
    expect(again.stderr).toContain('[SNAPSHOT_EXISTS]')
    const from = ['run', '-d', '--config', `${directory}/disks.toml`, '--from', 'warm', '--name']
    const started = await Promise.all(['left', 'right'].map((name) => kata.call([...from, name])))
    for (const outcome of started) expect(outcome).toMatchObject({ code: 0, stderr: '' })

    const all = ['first', 'fork', 'left', 'right']
    const said = await Promise.all(all.map(goesOn))
    expectWhole(said[0]!)
    // One process in all of them, each from its own moment on.
    for (const others of said.slice(1)) {
      expectWhole(others, others[0]!.n)
      expect(others[0]!.name).toBe(said[0]![0]!.name)
      expect(others[0]!.n).toBeGreaterThan(1)
    }
    expect(said[2]![0]).toEqual(said[3]![0]!)

    const facts = await Promise.all(all.map((name) => kata.inspect(name)))
    expect(new Set(facts.map(({ sandbox }) => sandbox.uid)).size).toBe(all.length)
    const random = '/proc/sys/kernel/random'
    const look = [
      ...['head -c 16 /dev/urandom | od -An -tx1', `cat ${random}/uuid`],
      // Nobody has read it before. And where the kernel has put the stack of a new process.
      ...[`cat ${random}/boot_id`, "grep stack /proc/self/maps | cut -d' ' -f1"],
    ]
    for (const command of look) {
      const drawn = await Promise.all(all.map((name) => shell(name, command)))
      for (const outcome of drawn) expect(outcome).toMatchObject({ code: 0, stderr: '' })
      const { size } = new Set(drawn.map(({ stdout }) => stdout))
      expect({ command, size }).toEqual({ command, size: all.length })
    }
    // What one writes is on its own disk.
    expect(await shell('left', 'cat /file; echo other >/file; sync')).toMatchObject({ stdout: 'kept\n' })
    for (const name of ['first', 'fork', 'right'])
      expect(await shell(name, 'cat /file')).toMatchObject({ stdout: 'kept\n' })
    expect(await kata.call(['audit'])).toMatchObject({ code: 0 })
    for (const name of ['fork', 'left', 'right'])
      expect(await kata.call(['rm', '-f', name])).toMatchObject({ code: 0 })
    const listed = JSON.parse((await kata.call(['snapshot', 'ls', '--format', 'json'])).stdout)
    expect(listed).toEqual([expect.objectContaining({ name: 'warm', container: 'first', memoryMiB: 256 })])
    expect((await kata.call([...from, 'late', '--memory', '1G'])).stderr).toContain('[OPTION_CONFLICT]')
    expect(await kata.call(['snapshot', 'rm', 'warm'])).toMatchObject({ code: 0 })
    expect((await kata.call([...from, 'late'])).stderr).toContain('[SNAPSHOT_NOT_FOUND]')
  },
  slow(180_000),
)

/** Another value for one byte of the file, and the former one back when called again. */
function flipByte(path: string, at: number): void {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  writeSync(fd, Buffer.from([byte[0]! ^ 1]), 0, 1, at)
  closeSync(fd)
}

test(
  'what is damaged, foreign or of another machine does not go on, and goes on once that is put right',
  async () => {
    expect(await kata.call(['suspend', 'first'])).toMatchObject({ code: 0 })
    const saved = `${pathOf('first')}/suspended`
    const { size } = statSync(`${saved}/state`)
    const refused = async (code: string) => {
      const outcome = await kata.call(['resume', 'first'])
      expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({
        code: 1,
        stderr: expect.stringContaining(`[${code}]`),
      })
      expect(await statusOf('first')).toBe('suspended')
      expect(existsSync(`${kata.runDir}/default/first`)).toBe(false)
    }
    for (const path of [`${saved}/state`, `${pathOf('first')}/written.img`]) {
      flipByte(path, Math.floor(size / 2) % statSync(path).size)
      await refused('CHECKPOINT_DAMAGED')
      flipByte(path, Math.floor(size / 2) % statSync(path).size)
    }
    chownSync(`${saved}/state`, 65534, 0)
    await refused('CHECKPOINT_FOREIGN')
    chownSync(`${saved}/state`, 0, 0)
    chmodSync(saved, 0o777)
    await refused('CHECKPOINT_FOREIGN')
    chmodSync(saved, 0o700)
    const facts = readFileSync(`${saved}/checkpoint.json`, 'utf8')
    writeFileSync(`${saved}/checkpoint.json`, facts.replace('"version": 1', '"version": 2'))
    await refused('CHECKPOINT_UNUSABLE')
    writeFileSync(`${saved}/checkpoint.json`, facts)
    configure('disks.toml', 'none', 'kernel_params = "other=1"\n')
    await refused('CHECKPOINT_UNUSABLE')
    configure('disks.toml')
    expect(await kata.call(['resume', 'first'])).toMatchObject({ code: 0, stderr: '' })
    expectWhole(await goesOn('first'))
  },
  slow(180_000),
)

test(
  'the SDK has a sandbox go on from a snapshot, as a fork, and after it was suspended',
  async () => {
    const runtime = { executable: [executable], globalFlags: kata.global }
    const flags = ['--config', `${directory}/disks.toml`]
    await using warm = await Sandbox.create({ ...runtime, flags })
    await warm.exec(['sh', '-c', 'echo ready >/state'])
    await using snapshot = await warm.snapshot()
    await using box = await Sandbox.create({ ...runtime, from: snapshot })
    await using fork = await warm.fork()
    await warm.suspend()
    await warm.resume()
    for (const one of [warm, box, fork]) expect((await one.exec(['cat', '/state'])).text).toBe('ready\n')
    const wrong = Sandbox.create({ ...runtime, from: snapshot, memory: '1G' })
    await expect(wrong).rejects.toMatchObject({ code: 'OPTION_CONFLICT' })
  },
  slow(120_000),
)

test(
  'what cannot be saved says why, and runs on',
  async () => {
    const exec = kata.call([
      'exec',
      'first',
      'sh',
      '-c',
      'touch /ready; until [ -e /go ]; do sleep 0.1; done',
    ])
    await eventually('the exec to run', async () =>
      (await shell('first', 'test -e /ready')).code === 0 ? true : undefined,
    )
    const busy = await kata.call(['suspend', 'first'])
    expect(busy.stderr).toContain('[CHECKPOINT_REFUSED] the machine of first cannot be saved: processes run')
    await shell('first', 'touch /go')
    expect((await exec).code).toBe(0)
    const shared = configure('shared.toml', 'virtio-fs')
    expect(await run('shares', [], shared)).toMatchObject({ code: 0, stderr: '' })
    for (const words of [['suspend'], ['fork'], ['snapshot', 'create']]) {
      const names = words.length === 2 ? ['shares', 'none'] : ['shares']
      expect((await kata.call([...words, ...names])).stderr).toContain(
        '[CHECKPOINT_REFUSED] the machine of shares cannot be saved: it shares files with the host',
      )
    }
    await goesOn('shares')
    expect(JSON.parse((await kata.call(['ps', '--format', 'json'])).stdout)).toHaveLength(2)
    expectWhole(await goesOn('first'))
  },
  slow(120_000),
)

test.each([
  [['suspend', 'first'], 'SIGKILL', 137],
  [['fork', 'first', 'never'], 'SIGINT', 130],
  [['snapshot', 'create', 'first', 'never'], 'SIGINT', 130],
] as const)(
  '%j that ends while it saves leaves the container as it was, and nothing else',
  async (words, signal, code) => {
    const containers = `${kata.stateDir}/containers/default`
    const snapshots = `${kata.stateDir}/snapshots/default`
    const suspendedNow = () =>
      namesIn(containers).flatMap((id) =>
        namesIn(`${containers}/${id}`).filter((name) => name.startsWith('suspended')),
      )
    const savedNow = () => [...suspendedNow(), ...namesIn(snapshots)]
    /** Until then nothing but a directory for it is there. */
    const isBegun = () =>
      suspendedNow().length > 0 ||
      namesIn(snapshots).some((name) => namesIn(`${snapshots}/${name}`).length > 0)
    const client = kata.spawn(words)
    while (!isBegun() && client.exitCode === null) await Bun.sleep(5)
    client.kill(signal)
    expect(await client.exited).toBe(code)
    await eventually('what was written to go', () => savedNow().length === 0 || undefined)
    expectWhole(await goesOn('first'))
    const listed: { id: string; status: string }[] = JSON.parse(
      (await kata.call(['ps', '--all', '--format', 'json'])).stdout,
    )
    const states = listed.map(({ id, status }) => `${id} ${status}`)
    expect(states.filter((state) => /first|never/.test(state))).toEqual(['first running'])
  },
  slow(60_000),
)

test(
  'a VMM that is killed while it saves ends the container, and the command says so',
  async () => {
    const { vmmPid } = (await kata.inspect('first')).sandbox
    const suspending = kata.call(['suspend', 'first'])
    await eventually('the saving to begin', () => existsSync(`${pathOf('first')}/suspended.new`) || undefined)
    process.kill(vmmPid, 'SIGKILL')
    const { code, stderr } = await suspending
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining(
        '[CHECKPOINT_LOST] the machine of first ended before it was saved: sandbox first died: the VMM ended (SIGKILL)',
      ),
    })
    expect(readdirSync(pathOf('first')).filter((name) => name.startsWith('suspended'))).toEqual([])
    await eventually('its end', async () => (await statusOf('first')) === 'stopped' || undefined)
    expect(await kata.call(['start', 'first'])).toMatchObject({ code: 0 })
  },
  slow(120_000),
)

test(
  'a shim that is killed while it saves leaves nothing but the container, which starts again',
  async () => {
    const { shimPid } = (await kata.inspect('first')).sandbox
    const suspending = kata.call(['suspend', 'first'])
    await eventually('the saving to begin', () => existsSync(`${pathOf('first')}/suspended.new`) || undefined)
    process.kill(shimPid, 'SIGKILL')
    expect((await suspending).code).toBe(1)
    expect(await kata.call(['gc'])).toMatchObject({ code: 0 })
    expect(readdirSync(pathOf('first')).filter((name) => name.startsWith('suspended'))).toEqual([])
    expect((await kata.call(['resume', 'first'])).stderr).toContain('[CONTAINER_NOT_SUSPENDED]')
    expect(await kata.call(['start', 'first'])).toMatchObject({ code: 0 })
    expect(await kata.call(['suspend', 'first'])).toMatchObject({ code: 0 })
    // Its memory is given up, its files are not.
    expect(await kata.call(['stop', 'first'])).toMatchObject({ code: 0 })
    expect(existsSync(`${pathOf('first')}/suspended`)).toBe(false)
    expect(await kata.call(['rm', 'first'])).toMatchObject({ code: 0 })
  },
  slow(120_000),
)
