import { expect, test } from 'bun:test'
import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { FakeClock, settled } from './time.double.ts'
import { breather, deadline, poll, retry, serially, sleep, until, untilAborted, within } from './time.ts'

const never = new Promise<never>(() => {})

test('a sleep that is cut short says why, and leaves no listener behind', async () => {
  const abort = new AbortController()
  const cut = sleep(60_000, abort.signal)
  abort.abort(new Error('enough'))
  await expect(cut).rejects.toThrow('enough')
  await expect(sleep(60_000, abort.signal)).rejects.toThrow('enough')
  const { signal } = new AbortController()
  await sleep(1, signal)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('a loop of short steps lets timers have their turn now and then, and ends by its signal', async () => {
  const over = new AbortController()
  const breathe = breather(3, over.signal)
  let steps = 0
  setTimeout(() => over.abort(new Error('enough')), 1)
  const loop = async () => {
    for (;;) {
      await breathe()
      steps += 1
    }
  }
  await expect(loop()).rejects.toThrow('enough')
  expect(steps).toBeGreaterThan(1)
  await expect(breathe()).rejects.toThrow('enough')
  expect(getEventListeners(over.signal, 'abort')).toHaveLength(0)
})

test('work that is done in time is all there is; late work is undefined', async () => {
  expect(await within(Promise.resolve(7), 60_000)).toBe(7)
  expect(await within(never, 1)).toBeUndefined()
  await expect(within(Promise.reject(new Error('it broke')), 60_000)).rejects.toThrow('it broke')
})

test('a deadline fires by itself, and with the signal that it was given', async () => {
  const early = new AbortController()
  const both = deadline(60_000, early.signal)
  early.abort(new Error('given up'))
  expect(both.reason).toEqual(new Error('given up'))
  const late = deadline(1)
  await new Promise((resolve) => late.addEventListener('abort', resolve))
  expect(late.reason.name).toBe('TimeoutError')
})

test('a deadline may be over already, or lie between two milliseconds', async () => {
  for (const ms of [-5, 0, 0.5, 1.5]) {
    const late = deadline(ms)
    expect(await until(() => late.aborted, { timeoutMs: 5000, everyMs: 5 })).toBe(true)
  }
})

test('longer than a timer of the engine takes is long all the same', async () => {
  const abort = new AbortController()
  const month = 31 * 24 * 3600 * 1000
  const asleep = sleep(month, abort.signal)
  const late = deadline(month)
  expect(await within(asleep, 30)).toBeUndefined()
  expect(late.aborted).toBe(false)
  abort.abort(new Error('enough'))
  await expect(asleep).rejects.toThrow('enough')
})

test('polling looks at once, then after ever longer pauses, and gives up in time', async () => {
  const clock = new FakeClock()
  let looks = 0
  const look = () => {
    looks++
    return undefined
  }
  const found = poll(look, { timeoutMs: 10, everyMs: 2, longestMs: 5, clock })
  await settled()
  const seen = [looks]
  for (const ms of [1, 1, 4, 5]) {
    await clock.pass(ms)
    seen.push(looks)
  }
  expect(seen).toEqual([1, 1, 2, 3, 4])
  expect(await found).toBeUndefined()
  expect(clock.sleepers).toBe(0)
})

test('polling ends with what it finds, what the look throws, or the signal’s reason', async () => {
  expect(await poll(() => 'there', { timeoutMs: 60_000 })).toBe('there')
  let looks = 0
  expect(await until(async () => ++looks === 3, { timeoutMs: 60_000 })).toBe(true)
  expect(await until(() => false, { timeoutMs: 2 })).toBe(false)
  const broken = () => Promise.reject(new Error('it broke'))
  await expect(poll(broken, { timeoutMs: 60_000 })).rejects.toThrow('it broke')
  const abort = new AbortController()
  const polling = until(() => false, { timeoutMs: 60_000, everyMs: 60_000, signal: abort.signal })
  abort.abort(new Error('given up'))
  await expect(polling).rejects.toThrow('given up')
})

test('what is tried again ends with the last try’s own words', async () => {
  let tries = 0
  const third = async () => {
    if (++tries < 3) throw new Error(`try ${tries}`)
    return tries
  }
  expect(await retry(third, 1, new AbortController().signal)).toBe(3)
  const abort = new AbortController()
  const failing = retry(() => Promise.reject(new Error('refused')), 60_000, abort.signal)
  await settled()
  abort.abort(new Error('given up'))
  await expect(failing).rejects.toThrow('refused')
})

test('serial work keeps its order, and a failure holds up nobody', async () => {
  const run = serially()
  const order: number[] = []
  const first = run(async () => {
    await sleep(5)
    order.push(1)
    throw new Error('the first fails')
  })
  const second = run(async () => void order.push(2))
  await expect(first).rejects.toThrow('the first fails')
  await second
  expect(order).toEqual([1, 2])
})

/** Files with timers of their own, and why; a file that has none any more is to go from here. */
const ownTimers: Readonly<Record<string, string>> = {
  'time.ts': 'the module itself',
  'ttrpc/bun.ts': 'src/ttrpc stands alone',
  'ttrpc/deadline.ts': 'src/ttrpc stands alone',
  'agent/connection.ts': 'asks again every second while it waits for an answer',
  'shim/daemon/abandoned.ts': 'looks every 10 s for as long as the shim lives',
  'sandbox/storage/copied-files.ts': 'looks for changes for as long as the copy is wanted',
  'shim/daemon/idle.ts': 'one timer that is set anew, as a sleep for each call would cost more',
  'guest-image/apt.ts': 'shows progress for as long as a download takes',
}

/** Files that read the time of day, which somebody may set at any moment, and why; a file that reads none any more is to go from here. */
const timesOfDay: Readonly<Record<string, string>> = {
  'cli/actions/image/archive.ts': 'says how old an image is',
  'cli/actions/images.ts': 'the same',
  'cli/actions/logs.ts': 'a person has named a time',
  'cli/actions/look/events.ts': 'the same',
  'cli/actions/ps.ts': 'says how old a container is',
  'cli/client/life/clean-up.ts': 'notes when a container ended, to compare with its record',
  'cli/client/life/restarts.ts': 'a record says when it starts again',
  'cli/client/life/start-again.ts': 'the same',
  'cli/client/record.ts': 'the age of a directory',
  'cli/parse/moment.ts': 'a person has named a time',
  'rootless/identity/sweep.ts': 'the age of a directory',
  'sandbox/records/event-log.ts': 'notes when something happened',
  'sandbox/records/gc.ts': 'the age of a directory',
  'sandbox/start/guest/start-guest.ts': 'tells the guest',
  'sdk/sandbox.ts': 'compares with a record',
  'vmm/kvm/accelerator.ts': 'notes when a trial was made',
}

const product = [...new Bun.Glob('**/*.ts').scanSync(import.meta.dir)].filter(
  (path) => !/\.(test|double|host)\.ts$|(^|\/)(testing|test-support)\.ts$/.test(path),
)
const filesWith = (words: RegExp) =>
  product.filter((path) => words.test(readFileSync(`${import.meta.dir}/${path}`, 'utf8'))).sort()

test('no other file waits by timers of its own', () => {
  const timer = /\bBun\.sleep\(|\bset(Timeout|Interval)\(|\bAbortSignal\.timeout\(/
  expect(filesWith(timer)).toEqual(Object.keys(ownTimers).sort())
})

test('no other file measures how long something takes by the time of day', () => {
  expect(filesWith(/\bDate\.now\(/)).toEqual(Object.keys(timesOfDay).sort())
})

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('an abort is told, before or while it is waited for', async () => {
  const over = new AbortController()
  using before = untilAborted(over.signal)
  over.abort()
  using after = untilAborted(over.signal)
  await Promise.all([before.aborted, after.aborted])
})

test('nothing is kept of a wait that was given up', () => {
  const over = new AbortController()
  {
    using wait = untilAborted(over.signal)
    expect(wait.aborted).toBeInstanceOf(Promise)
    expect(listeners(over.signal)).toBe(1)
  }
  expect(listeners(over.signal)).toBe(0)
})
