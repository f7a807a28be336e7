/** The pool, as its directories show it. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { isAlive, type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { listenUnix } from '../../linux/sockets/socket.ts'
import { silentLogger } from '../../log.ts'
import { clocksThatRush } from '../../time.double.ts'
import { listen } from '../../ttrpc/bun.ts'
import { openLedger } from '../end/teardown.ts'
import { ownerResource } from '../records/owner.ts'
import { sandboxPaths, waitingPaths } from '../records/paths.ts'
import { nameMachine } from '../records/state-dir.ts'
import { type Answer, answerOne, socketOf } from './adoption-socket.ts'
import { endAllWaiting, endWaiting, listPool, noteWaiting, waitingFacts } from './pool.ts'

let runDir: string
const stops: (() => void)[] = []
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/pool-`)
})
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
  rmSync(runDir, { recursive: true })
})

const dead: ProcessRef = { pid: 2 ** 22 + 1, startTime: '1' }

/** A machine of the pool whose shim is this process, or `owner`. */
async function waiting(id: string, owner = processRef(process.pid)!) {
  const paths = waitingPaths(runDir, id)
  mkdirSync(paths.stateDir, { recursive: true })
  await openLedger(paths, silentLogger).take(ownerResource, owner, () => {})
  return paths
}

/** What it answers. */
function open(id: string, answer: () => Answer): void {
  const socket = socketOf(waitingPaths(runDir, id))
  const listener = listen({ fd: listenUnix(socket) }, (transport) => void answerOne(transport, answer))
  stops.push(() => listener.stop())
}

const states = () => listPool(runDir, silentLogger).map(({ id, state, template }) => [id, state, template])

test('each machine is shown as far as it has come', async () => {
  expect(states()).toEqual([])
  await waiting('a')
  noteWaiting(await waiting('b'), { template: 'key' })
  open('b', () => ({ done: true, reason: '' }))
  await waiting('c', dead)
  expect(states()).toEqual([
    ['a', 'starting', ''],
    ['b', 'waiting', 'key'],
    ['c', 'dead', ''],
  ])
  nameMachine(waitingPaths(runDir, 'b'), sandboxPaths(runDir, 'default', 'web'))
  expect(states().map(([id]) => id)).toEqual(['a', 'c'])
})

test('one whose facts cannot be read keeps no other from being listed, and can be ended', async () => {
  noteWaiting(await waiting('a', dead), { template: 'key' })
  // An upgrade, or the way back from one, leaves machines of the other version waiting.
  const { stateDir } = await waiting('b', dead)
  const wall = { wall: 'of-tomorrow', what: 'it', remedy: 'none', quiet: false }
  writeFileSync(waitingFacts({ stateDir }), JSON.stringify({ template: 'key', openWalls: [wall] }))
  writeFileSync(waitingFacts(await waiting('c', dead)), '{')
  expect(states()).toEqual([
    ['a', 'dead', 'key'],
    ['b', 'dead', 'key'],
    ['c', 'dead', ''],
  ])
  for (const entry of listPool(runDir, silentLogger)) await endWaiting(entry, silentLogger)
  expect(states()).toEqual([])
})

test('one that is asked to end does so itself', async () => {
  const { stateDir } = await waiting('a')
  open('a', () => {
    rmSync(stateDir, { recursive: true })
    return { done: true, reason: '' }
  })
  await endWaiting(listPool(runDir, silentLogger)[0]!, silentLogger)
  expect(states()).toEqual([])
})

test('one that a pod takes meanwhile is left to it', async () => {
  const { stateDir } = await waiting('a')
  open('a', () => {
    nameMachine({ stateDir }, sandboxPaths(runDir, 'default', 'web'))
    return { done: false, reason: 'it is taken' }
  })
  await endWaiting(listPool(runDir, silentLogger)[0]!, silentLogger)
  expect(existsSync(stateDir)).toBe(true)
})

test('one that takes its pod while it is about to be killed is left to it', async () => {
  const shim = Bun.spawn(['sleep', '600'])
  stops.push(() => shim.kill('SIGKILL'))
  const { stateDir } = await waiting('a', processRef(shim.pid)!)
  open('a', () => ({ done: false, reason: 'it is taken, or ends' }))
  let ended: Promise<void>
  {
    // As a shim does while it takes one.
    using _held = tryDirectoryLock(stateDir)
    ended = endWaiting(listPool(runDir, silentLogger)[0]!, silentLogger)
    await Bun.sleep(300)
    nameMachine({ stateDir }, sandboxPaths(runDir, 'default', 'web'))
  }
  await ended
  expect(isAlive(processRef(shim.pid)!)).toBe(true)
  expect(existsSync(stateDir)).toBe(true)
})

test('one whose directory is held for longer than anybody waits is busy, and is not killed', async () => {
  const shim = Bun.spawn(['sleep', '600'])
  stops.push(() => shim.kill('SIGKILL'))
  const { stateDir } = await waiting('a', processRef(shim.pid)!)
  const entry = listPool(runDir, silentLogger)[0]!
  {
    // As by a shim that hangs while it takes a pod.
    using _held = tryDirectoryLock(stateDir)
    using _rush = clocksThatRush()
    await expect(endWaiting(entry, silentLogger)).rejects.toMatchObject({
      code: 'TEARDOWN_BUSY',
      fields: { path: stateDir, seconds: 10 },
    })
  }
  expect(isAlive(processRef(shim.pid)!)).toBe(true)
  expect(existsSync(stateDir)).toBe(true)
})

test('what a dead one held is released', async () => {
  const { stateDir } = await waiting('a', dead)
  await endWaiting(listPool(runDir, silentLogger)[0]!, silentLogger)
  expect(existsSync(stateDir)).toBe(false)
})

test('one that cannot be released keeps no other from its end', async () => {
  const { ledger } = await waiting('a', dead)
  appendFileSync(ledger, `${JSON.stringify({ op: 'take', id: 9, kind: 'of-tomorrow', data: {} })}\n`)
  await waiting('b', dead)
  const ended = endAllWaiting(listPool(runDir, silentLogger), silentLogger)
  await expect(ended).rejects.toThrow('[RELEASE_FAILED]')
  expect(states().map(([id]) => id)).toEqual(['a'])
})
