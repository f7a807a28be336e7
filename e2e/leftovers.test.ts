// test:vmm: every VMM
/** Nothing left behind: after many sandboxes, after many at once, and after every sort of sudden death. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { isAlive, listPids, processRef, readProc } from '../src/linux/processes/proc.ts'
import { TaskDefinition } from '../src/protocol/generated/containerd/task.ts'
import { sandboxPaths } from '../src/sandbox/records/paths.ts'
import { connectUnix } from '../src/ttrpc/bun.ts'
import { connect, createClient } from '../src/ttrpc/ttrpc.ts'
import { podTest } from './harness/cannot.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { argumentsOf, descendantsOf, killIfThere, shimsBelow } from './harness/host/processes.ts'
import { eventually, Kata, type Outcome } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  // The first start of a boot decides on the accelerator and makes the lasting directories.
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

const sameAsBefore = () => expect(leftBehind(before, hostState(kata.runDir))).toEqual([])

test(
  '4 sandboxes, in two rows side by side',
  async () => {
    const row = async (name: string) => {
      for (let round = 0; round < 2; round++) {
        const word = `${name} ${round}`
        expect(await kata.run(['echo', word])).toEqual({ code: 0, stdout: `${word}\n`, stderr: '' })
      }
    }
    await Promise.all([row('one'), row('other')])
    sameAsBefore()
  },
  slow(300_000),
)

/** As many as still come up on a slow host within its patience; under an emulated KVM more die now and then (docs/design/lab.md). */
const crowd = 5

test(
  'many sandboxes at once, each with a user of its own',
  async () => {
    const names = Array.from({ length: crowd }, (_, index) => `crowd-${index}`)
    let removed: Outcome[]
    try {
      const started = await Promise.all(
        names.map((name) => kata.call(['run', '-d', '--name', name, '--', 'sleep', '300'])),
      )
      expect(started.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
        names.map(() => ({ code: 0, stderr: '' })),
      )
      const uids = await Promise.all(
        names.map(async (name) => uidOf((await kata.inspect(name)).sandbox.vmmPid)),
      )
      expect(new Set(uids).size).toBe(crowd)
      expect(uids).not.toContain(0)
    } finally {
      // Where one did not start, the others must not be what the tests behind this one find.
      removed = await Promise.all(names.map((name) => kata.call(['rm', '-f', name])))
    }
    expect(removed.map(({ code }) => code)).toEqual(names.map(() => 0))
    sameAsBefore()
  },
  slow(300_000),
)

test(
  'starts that are interrupted at any moment, many at once',
  async () => {
    for (const ms of [50, 100, 200, 400, 1500]) {
      const clients = Array.from({ length: 6 }, () => kata.spawn(['run', '--rm', '--', 'true']))
      await Bun.sleep(ms)
      for (const client of clients) client.kill('SIGTERM')
      await Promise.all(clients.map((client) => client.exited))
      sameAsBefore()
    }
  },
  slow(300_000),
)

describe('kill -9', () => {
  test(
    'of the VMM is noticed, reported, and nothing is left',
    async () => {
      const { client, facts } = await attached('kill-vmm')
      process.kill(facts.sandbox.vmmPid, 'SIGKILL')
      const { code, stderr } = await client
      expect(code).toBe(255)
      expect(stderr).toContain('SANDBOX_DIED')
      sameAsBefore()
    },
    slow(60_000),
  )

  test(
    '(STOP, not KILL) a machine that stands still, whenever that is, is given up, as is one without a record, and nothing is left',
    async () => {
      // Side by side, as each is waited for half a minute.
      await Promise.all([
        forget('forgotten'),
        stopRunning('frozen'),
        stopStarting('still-1', 0),
        stopStarting('still-2', 300),
        stopStarting('still-3', 1000),
        stopStarting('still-4', 'made'),
      ])
      sameAsBefore()
    },
    slow(150_000),
  )

  podTest(
    'of virtiofsd is noticed, reported, and nothing is left',
    async () => {
      const { client, facts } = await attached('kill-share')
      process.kill(facts.sandbox.virtiofsdPids[0], 'SIGKILL')
      const { code, stderr } = await client
      expect(code).toBe(255)
      expect(stderr).toContain('SANDBOX_DIED')
      sameAsBefore()
    },
    slow(60_000),
  )

  podTest(
    'of the virtiofsd of its volumes is noticed, reported, and nothing is left',
    async () => {
      const { client, facts } = await attached('kill-volumes', ['-v', '/tmp:/mnt'])
      expect(facts.sandbox.virtiofsdPids).toHaveLength(4)
      process.kill(facts.sandbox.virtiofsdPids[3], 'SIGKILL')
      const { code, stderr } = await client
      expect(code).toBe(255)
      expect(stderr).toMatch(/SANDBOX_DIED.*virtiofsd ended/)
      sameAsBefore()
    },
    slow(60_000),
  )

  podTest(
    'of virtiofsd while the guest boots is reported as that, and nothing is left',
    async () => {
      const client = kata.call(['run', '--rm', '--name', 'no-share', '--', 'sleep', '300'])
      await eventually('the VMM', () => vmmOf('no-share'))
      await Bun.sleep(300)
      const { exportDir } = sandboxPaths(kata.runDir, 'default', 'no-share')
      const daemons = listPids().filter((pid) => {
        const line = readProc(`/proc/${pid}/cmdline`) ?? ''
        return line.includes('virtiofsd\0') && line.includes(`\0${exportDir}\0`)
      })
      expect(daemons.length).toBeGreaterThan(0)
      for (const pid of daemons) killIfThere(pid)
      const { code, stderr } = await client
      expect([125, 255]).toContain(code)
      // On a slow host it may not boot yet; then the step that misses its share tells.
      expect(stderr).toMatch(/virtiofsd ended|\[(VMM|POSTURE|JAIL)_\w+\]/)
      sameAsBefore()
    },
    slow(60_000),
  )

  test(
    'of the shim takes the VMM and virtiofsd with it, is reported, and nothing is left',
    async () => {
      const { client, facts } = await attached('kill-shim')
      const vmm = processRef(facts.sandbox.vmmPid)!
      process.kill(facts.sandbox.shimPid, 'SIGKILL')
      const { code, stderr } = await client
      expect(code).toBe(137)
      expect(stderr).toContain('SHIM_DIED')
      expect(isAlive(vmm)).toBe(false)
      sameAsBefore()
    },
    slow(60_000),
  )

  test(
    'of the shim of a container in the background: ps says dead, gc leaves nothing',
    async () => {
      await kata.call(['run', '-d', '--name', 'orphan', '--', 'sleep', '300'])
      const facts = await kata.inspect('orphan')
      const vmm = processRef(facts.sandbox.vmmPid)!
      process.kill(facts.sandbox.shimPid, 'SIGKILL')
      await eventually('the VMM to follow its shim', () => !isAlive(vmm) || undefined)
      const [entry] = JSON.parse((await kata.call(['ps', '--format', 'json'])).stdout)
      expect(entry).toMatchObject({ id: 'orphan', status: 'dead' })
      const collected = await kata.call(['gc'])
      expect(collected.code).toBe(0)
      await kata.call(['rm', '-f', 'orphan'])
      sameAsBefore()
    },
    slow(60_000),
  )

  test(
    'of shims in the middle of their start, many at once: gc leaves nothing',
    async () => {
      for (const ms of [40, 80, 160]) {
        const names = Array.from({ length: 6 }, (_, index) => `early-${ms}-${index}`)
        const clients = names.map((name) => kata.spawn(['run', '--name', name, '--', 'true']))
        await Bun.sleep(ms)
        // What a shim is about to start has its command line for a moment, and ends with it.
        for (const pid of shimsOf(kata)) killIfThere(pid)
        for (const client of clients) client.kill('SIGKILL')
        await Promise.all(clients.map((client) => client.exited))
        expect((await kata.call(['gc'])).code).toBe(0)
        for (const name of names) await kata.call(['rm', '-f', name])
        // A shim that began to serve only after its client's death ends by itself.
        await eventually('all to be gone', () => leftBehind(before, hostState(kata.runDir)).length === 0)
      }
    },
    slow(120_000),
  )

  test(
    'of the client while it writes the bundle: gc leaves nothing',
    async () => {
      const config = `${kata.stateDir}/containers/default/half/bundle/config.json`
      const child = kata.spawn(['run', '--name', 'half', '--', 'true'])
      await eventually('the bundle', () => existsSync(config))
      child.kill('SIGKILL')
      await child.exited
      writeFileSync(config, '{"process": {"ar')
      const { code, stdout } = await kata.call(['gc', '--format', 'json'])
      expect({ code, collected: JSON.parse(stdout) }).toEqual({
        code: 0,
        collected: expect.arrayContaining([{ kind: 'container', name: 'default/half' }]),
      })
      await kata.call(['rm', '-f', 'half'])
      await eventually('all to be gone', () => leftBehind(before, hostState(kata.runDir)).length === 0)
    },
    slow(60_000),
  )

  test('of the client before it wrote its record: gc removes the name, once nobody can be at work on it', async () => {
    const directory = `${kata.stateDir}/containers/default/unwritten`
    mkdirSync(directory)
    expect((await kata.call(['gc'])).stdout).toBe('nothing to collect\n')
    utimesSync(directory, 0, 0)
    const { code, stdout } = await kata.call(['gc', '--format', 'json'])
    expect({ code, collected: JSON.parse(stdout) }).toEqual({
      code: 0,
      collected: [{ kind: 'record', name: 'default/unwritten' }],
    })
    expect(existsSync(directory)).toBe(false)
  })

  test(
    'of the client: the container goes on, and rm -f removes it',
    async () => {
      const child = kata.spawn(['run', '--name', 'left-alone', '--', 'sleep', '300'])
      const ended = Promise.all([child.exited, child.stdout.text(), child.stderr.text()])
      await kata.runs(
        'left-alone',
        ended.then(([code, stdout, stderr]) => ({ code, stdout, stderr })),
      )
      child.kill('SIGKILL')
      await child.exited
      expect(await kata.isRunning('left-alone')).toBe(true)
      expect((await kata.call(['rm', '-f', 'left-alone'])).code).toBe(0)
      sameAsBefore()
    },
    slow(60_000),
  )
})

/** Starts a container with its client attached and waits until it runs. */
async function attached(name: string, flags: readonly string[] = []) {
  const client = kata.call(['run', '--rm', '--name', name, ...flags, '--', 'sleep', '300'])
  await kata.runs(name, client)
  return { client, facts: await kata.inspect(name) }
}

async function stopRunning(name: string): Promise<void> {
  const { client, facts } = await attached(name)
  const startExec = await preparedExec(name, facts.paths.bundle)
  process.kill(facts.sandbox.vmmPid, 'SIGSTOP')
  const started = startExec().then(
    () => 'it started',
    (error: Error) => error.message,
  )
  const { code, stderr } = await client
  expect(code).toBe(255)
  expect(stderr).toContain('has not answered for 30 s')
  expect(await started).toMatch(/SANDBOX_DIED.*has not answered for 30 s/)
}

/** Removes a record by hand: the container is seen all the same, and its shim ends with it. */
async function forget(name: string): Promise<void> {
  const own = new Kata()
  try {
    expect((await own.call(['run', '-d', '--name', name, '--', 'sleep', '300'])).code).toBe(0)
    rmSync(`${own.stateDir}/containers/default/${name}`, { recursive: true })
    expect((await own.call(['ps', '--quiet'])).stdout).toBe(`${name}\n`)
    expect((await own.call(['kill', name])).code).toBe(0)
    await eventually('its shim to end', () => shimsOf(own).length === 0, 60_000)
  } finally {
    await own.close()
  }
}

/** Stops the VMM of a start, milliseconds after it was there or as soon as its guest has become a sandbox. */
async function stopStarting(name: string, moment: number | 'made'): Promise<void> {
  const client = kata.call(['run', '--rm', '--name', name, '--', 'sleep', '300'])
  const pid = await eventually(`the VMM of ${name}`, () => vmmOf(name))
  const { facts } = sandboxPaths(kata.runDir, 'default', name)
  if (moment === 'made') await eventually(`the sandbox ${name}`, () => existsSync(facts) || undefined)
  else await Bun.sleep(moment)
  process.kill(pid, 'SIGSTOP')
  const { code, stderr } = await client
  // Once its command runs nobody knows how that ended; before, it is a failure of ours.
  expect([125, 255]).toContain(code)
  expect(stderr).toMatch(/\[(SANDBOX_DIED|AGENT_UNREACHABLE|(VMM|POSTURE|JAIL)_\w+)\]/)
}

/** As a client of the shim that has asked for a process and not started it yet. */
async function preparedExec(id: string, bundle: string) {
  const address = readFileSync(`${bundle}/address`, 'utf8').replace('unix://', '')
  const task = createClient(TaskDefinition, connect(await connectUnix(address)))
  const value = new TextEncoder().encode(JSON.stringify({ args: ['true'], cwd: '/', user: {} }))
  await task.exec({ id, execId: 'late', spec: { typeUrl: '', value } })
  return () => task.start({ id, execId: 'late' })
}

/** The VMM of a sandbox that may not be one yet: a process below its shim that runs the program. */
function vmmOf(name: string): number | undefined {
  const shims = shimsOf(kata).filter((pid) => argumentsOf(pid).includes(name))
  return descendantsOf(shims).find((pid) => basename(argumentsOf(pid)[0] ?? '') === basename(vmm.path))
}

function uidOf(pid: number): number {
  return Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
}

/** Daemons whose state lies in this test's run directory. */
const shimsOf = ({ runDir }: Kata): number[] => shimsBelow(runDir)
