/** What is seen of sandboxes from a container that shares the host's files and not its pid namespace: no process that lives is taken for dead. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import {
  bootId,
  childrenOf,
  isAlive,
  ownProcess,
  type ProcessRef,
  processRef,
  statFields,
} from '../../linux/processes/proc.ts'
import { sessionMembers } from '../../linux/processes/session.ts'
import { waitGone } from '../../linux/processes/signal.ts'
import { silentLogger } from '../../log.ts'
import { reservationsDir, reserve } from '../../rootless/identity/reservation.ts'
import { sweepRootless } from '../../rootless/identity/sweep.ts'
import { collectGarbage } from './gc.ts'
import { type SandboxPaths, sandboxPaths, waitingPaths } from './paths.ts'

let runDir: string
let shim: ReturnType<typeof Bun.spawn>
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/gc-`)
  shim = Bun.spawn(['/usr/bin/sleep', '60'])
})
afterEach(async () => {
  shim.kill('SIGKILL')
  await shim.exited
  rmSync(runDir, { recursive: true })
})

const range = { base: 0x6d000000, blocks: 1 }

const unshare = ['/usr/bin/unshare', '--pid', '--fork', '--kill-child', '--mount-proc']

/** What a program says in a pid namespace of its own, as JSON. Its /proc shows that namespace. */
function elsewhere(code: string): unknown {
  const program = `
    import { ownProcess, processRef } from '${import.meta.dir}/../../linux/processes/proc.ts'
    import { silentLogger } from '${import.meta.dir}/../../log.ts'
    import { sweepRootless } from '${import.meta.dir}/../../rootless/identity/sweep.ts'
    import { teardown } from '${import.meta.dir}/../end/teardown.ts'
    import { endWaiting, listPool } from '${import.meta.dir}/../pool/pool.ts'
    import { collectGarbage } from '${import.meta.dir}/gc.ts'
    import { sandboxPaths } from '${import.meta.dir}/paths.ts'
    import { writeFileSync } from 'node:fs'
    const [runDir, range] = ${JSON.stringify([runDir, range])}
    console.log(JSON.stringify(await (async () => { ${code} })()))
    process.exit(0)`
  const { stdout, stderr } = Bun.spawnSync([...unshare, process.execPath, '-e', program])
  return JSON.parse(stdout.toString() || JSON.stringify(stderr.toString()))
}

const sandbox = (id: string, owner: ProcessRef): string => claimed(sandboxPaths(runDir, 'default', id), owner)

function claimed({ stateDir, ledger }: SandboxPaths, owner: ProcessRef): string {
  mkdirSync(stateDir, { recursive: true })
  writeFileSync(ledger, `${JSON.stringify({ op: 'take', id: 1, kind: 'owner', data: owner })}\n`)
  return stateDir
}

const ourRef = (): ProcessRef => processRef(shim.pid)!

const collect = `const found = await collectGarbage({ runDir, range, log: silentLogger })
  return found.filter(({ name }) => name.startsWith('default/'))`

test('a sandbox that lives is left alone, and that it cannot be seen is told', async () => {
  const stateDir = sandbox('web', ourRef())
  expect(elsewhere(collect)).toEqual([
    { kind: 'sandbox', name: 'default/web', failure: expect.stringContaining('[PROCESS_ELSEWHERE]') },
  ])
  expect(existsSync(stateDir)).toBe(true)
  // Here it can, and is collected once it is dead.
  shim.kill('SIGKILL')
  await shim.exited
  const found = await collectGarbage({ runDir, range, log: silentLogger })
  expect(found).toContainEqual({ kind: 'sandbox', name: 'default/web' })
  expect(existsSync(stateDir)).toBe(false)
})

test('one of another boot is dead, whatever pid namespace it was in', () => {
  const stateDir = sandbox('web', { ...ourRef(), bootId: 'another' })
  expect(elsewhere(collect)).toEqual([{ kind: 'sandbox', name: 'default/web' }])
  expect([existsSync(stateDir), isAlive(ourRef())]).toEqual([false, true])
  expect([isAlive({ ...ourRef(), bootId: 'another' }), ourRef().bootId]).toEqual([false, bootId()])
})

test('its teardown is refused before anything is released, also by a process of the same number', () => {
  const stateDir = sandbox('web', { ...ownProcess(), pid: 1 })
  const tearDown = `return teardown(sandboxPaths(runDir, 'default', 'web'), silentLogger)
    .then(() => 'done', ({ code }) => [code, process.pid])`
  expect(elsewhere(tearDown)).toEqual(['PROCESS_ELSEWHERE', 1])
  expect(existsSync(stateDir)).toBe(true)
})

test('what has died in that namespace is collected there', () => {
  const stateDir = sandbox('web', ourRef())
  const die = `const child = Bun.spawn(['/usr/bin/sleep', '60'])
    const owner = processRef(child.pid)
    writeFileSync(sandboxPaths(runDir, 'default', 'web').ledger,
      JSON.stringify({ op: 'take', id: 1, kind: 'owner', data: owner }) + '\\n')
    const before = await (async () => { ${collect} })()
    child.kill('SIGKILL')
    await child.exited
    return [before, await (async () => { ${collect} })()]`
  expect(elsewhere(die)).toEqual([[], [{ kind: 'sandbox', name: 'default/web' }]])
  expect(existsSync(stateDir)).toBe(false)
})

test('the ids of one that lives stay reserved, and it is told which could not be seen', async () => {
  mkdirSync(reservationsDir(runDir), { recursive: true })
  const owner = { sandbox: 'default/web', token: 't', first: range.base, bootId: bootId() }
  reserve(runDir, 0, { ...owner, process: ourRef() })
  const places = { runDir, range, userDir: `${runDir}/users`, userdbDir: `${runDir}/userdb` }
  expect(elsewhere(`return sweepRootless(${JSON.stringify(places)}, silentLogger)`)).toEqual([
    expect.objectContaining({
      sandbox: 'default/web',
      error: expect.stringContaining('[PROCESS_ELSEWHERE]'),
    }),
  ])
  expect(await sweepRootless(places, silentLogger)).toEqual([])
  shim.kill('SIGKILL')
  await shim.exited
  const swept = await sweepRootless(places, silentLogger)
  expect(swept).toEqual([expect.objectContaining({ found: 'reservation', sandbox: 'default/web' })])
})

test('a waiting machine of it keeps no other from being listed, and is not ended', () => {
  const stateDir = claimed(waitingPaths(runDir, 'w1'), ourRef())
  // As if it waited, at a socket that leads nowhere.
  writeFileSync(`${stateDir}/adopt.sock`, '')
  const end = `const [entry] = listPool(runDir, silentLogger)
    return endWaiting(entry, silentLogger).then(() => 'done', ({ code }) => [entry.state, code])`
  expect(elsewhere(end)).toEqual(['waiting', 'PROCESS_ELSEWHERE'])
  expect([existsSync(stateDir), isAlive(ourRef())]).toEqual([true, true])
})

// Who is in another one does not see all processes of the host.
const isHosts = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]'

test.skipIf(!isHosts)('a namespace without a process is gone, and so are all that were in it', async () => {
  const say = 'readlink /proc/self/ns/pid; exec sleep 60'
  const other = Bun.spawn([...unshare, '/bin/sh', '-c', say], { stdio: ['ignore', 'pipe', 'ignore'] })
  const { value } = await other.stdout.getReader().read()
  const pidNamespace = new TextDecoder().decode(value).trim()
  // A process of ours has the number, and even began at that time.
  const stateDir = sandbox('web', { ...ourRef(), pidNamespace })
  const look = () => isAlive({ ...ourRef(), pidNamespace })
  expect(look).toThrow('[PROCESS_ELSEWHERE]')
  // It does not wait for its child, which stays a zombie.
  const first = childrenOf(processRef(other.pid)!)[0]!
  other.kill('SIGSTOP')
  while (statFields(other.pid)?.[0] !== 'T') await Bun.sleep(1)
  process.kill(first.pid, 'SIGKILL')
  try {
    expect(await waitGone(first, 10_000)).toBe(true)
    expect([statFields(first.pid)?.[0], look(), isAlive(ourRef())]).toEqual(['Z', false, true])
    await collectGarbage({ runDir, range, log: silentLogger })
    expect([existsSync(stateDir), isAlive(ourRef())]).toEqual([false, true])
  } finally {
    other.kill('SIGKILL')
    await other.exited
  }
})

test('the session of a number of another namespace, or of another boot, is none of ours', async () => {
  const leader = Bun.spawn(['/usr/bin/setsid', '/bin/sh', '-c', 'sleep 60 & echo; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await leader.stdout.getReader().read()
  const ref = processRef(leader.pid)!
  const members = sessionMembers(ref)
  try {
    expect(members).toHaveLength(1)
    expect(sessionMembers({ ...ref, pidNamespace: 'pid:[1]' })).toEqual([])
    // Its leader's number is free, as that of a shim of another boot may be.
    leader.kill('SIGKILL')
    await leader.exited
    expect(sessionMembers(ref)).toHaveLength(1)
    expect(sessionMembers({ ...ref, bootId: 'another' })).toEqual([])
  } finally {
    for (const { pid } of members) process.kill(pid, 'SIGKILL')
    leader.kill('SIGKILL')
    await leader.exited
  }
})
