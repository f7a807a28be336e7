import { expect, test } from 'bun:test'
import { KataError } from '../../errors.ts'
import type { FilterListener } from '../../linux/interfaces/filter-changes.ts'
import { processRef } from '../../linux/processes/proc.ts'
import { createLogger } from '../../log.ts'
import { until } from '../../time.ts'
import { lookAfter } from './look-after.ts'

/** A process in the place of pasta, and what is told of it. */
function network() {
  const child = Bun.spawn(['sleep', '60'])
  const exited = child.exited.then(() => ({ code: child.exitCode, signal: child.signalCode }) as const)
  const told: string[] = []
  const log = createLogger({ sink: ({ fields }) => told.push(String(fields.error)) })
  const said = async () => 'tap: \x1b[31mno such device\n'
  const pasta = { ref: processRef(child.pid)!, exited: exited as Promise<never>, said }
  return { child, pasta, told, log, [Symbol.dispose]: () => child.kill('SIGKILL') }
}

/** Notifications that never come. */
const silent = { watch: async () => ({ [Symbol.dispose]: () => {} }) }
const untouched = { isWhole: () => true, mend: async () => {}, ...silent }
/** Less than the pause between two looks where nothing is told. */
const soon = { timeoutMs: 20_000 }

/** Rules that are whole, in a filter whose changes a test tells. */
function watched() {
  const listeners: FilterListener[] = []
  const seen = { looks: 0, closed: 0 }
  const wall = {
    ...untouched,
    isWhole: () => ++seen.looks > 0,
    watch: async (listener: FilterListener) => {
      listeners.push(listener)
      return { [Symbol.dispose]: () => void seen.closed++ }
    },
  }
  return { wall, listeners, seen }
}

test('rules are looked at once the packet filter has changed, also after changes were missed', async () => {
  using made = network()
  const over = new AbortController()
  const { wall, listeners, seen } = watched()
  lookAfter({ pasta: made.pasta, wall, nameServer: undefined }, made.log, over.signal)
  expect(await until(() => seen.looks === 1, soon)).toBe(true)
  listeners[0]!.changed()
  expect(await until(() => seen.looks === 2, soon)).toBe(true)
  listeners[0]!.ended()
  expect(await until(() => seen.looks === 3, soon)).toBe(true)
  expect(listeners).toHaveLength(2)
  listeners[1]!.changed()
  expect(await until(() => seen.looks === 4, soon)).toBe(true)
  over.abort()
  expect(await until(() => seen.closed === 1, soon)).toBe(true)
  expect(made.told).toEqual([])
})

test('where the kernel tells of no changes the rules are looked at all the same', async () => {
  using made = network()
  const over = new AbortController()
  const { wall, seen } = watched()
  const refused = { ...wall, watch: () => Promise.reject(new Error('EPERM')) }
  lookAfter({ pasta: made.pasta, wall: refused, nameServer: undefined }, made.log, over.signal)
  expect(await until(() => seen.looks === 3, soon)).toBe(true)
  over.abort()
})

test('rules that cannot be laid again end the network', async () => {
  using made = network()
  const wall = {
    isWhole: () => false,
    ...silent,
    mend: () => Promise.reject(new KataError('NETWORK_WALL_FAILED', { reason: 'no nft' })),
  }
  lookAfter({ pasta: made.pasta, wall, nameServer: undefined }, made.log, new AbortController().signal)
  await made.child.exited
  await until(() => made.told.length === 2, { timeoutMs: 1000 })
  expect(made.told).toEqual([
    expect.stringContaining('[NETWORK_WALL_FAILED]'),
    expect.stringMatching(/\[NETWORK_LOST\].* pasta has ended \(SIGKILL\): tap: .*no such device/),
  ])
  expect(made.told[1]).not.toContain('\x1b')
})

test('a network whose end was asked for is told of by nobody', async () => {
  using made = network()
  const over = new AbortController()
  lookAfter({ pasta: made.pasta, wall: untouched, nameServer: undefined }, made.log, over.signal)
  over.abort()
  made.child.kill('SIGKILL')
  await made.child.exited
  await Bun.sleep(20)
  expect(made.told).toEqual([])
})

test('a name server that does not start is tried again', async () => {
  using made = network()
  const over = new AbortController()
  const exit = { code: 1, signal: null }
  let tries = 0
  const again = async () => {
    if (++tries < 2) throw new KataError('NETWORK_START_FAILED', { reason: 'not yet' })
    return { exited: new Promise<never>(() => {}) }
  }
  const nameServer = { running: { exited: Promise.resolve(exit) }, again }
  lookAfter({ pasta: made.pasta, wall: untouched, nameServer }, made.log, over.signal)
  expect(await until(() => tries === 2, { timeoutMs: 5000 })).toBe(true)
  over.abort()
})

test('a name server that is being started is waited for: nothing comes into the ledger later', async () => {
  using made = network()
  const over = new AbortController()
  const [began, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()]
  const again = () => {
    began.resolve()
    return ended.promise
  }
  const nameServer = { running: { exited: Promise.resolve({ code: 1, signal: null }) }, again }
  let isOver = false
  const looks = lookAfter({ pasta: made.pasta, wall: untouched, nameServer }, made.log, over.signal)
  const done = looks.then(() => {
    isOver = true
  })
  await began.promise
  over.abort()
  await Bun.sleep(0)
  expect(isOver).toBe(false)
  ended.reject(new Error('it was given up'))
  await done
})

test('a name server that runs on is not waited for', async () => {
  using made = network()
  const over = new AbortController()
  const running = { exited: new Promise<never>(() => {}) }
  const nameServer = { running, again: () => Promise.resolve(running) }
  const looks = lookAfter({ pasta: made.pasta, wall: untouched, nameServer }, made.log, over.signal)
  over.abort()
  await looks
})
