import { expect, test } from 'bun:test'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { guestSilent } from './health.ts'

const late = () => Promise.reject(new TtrpcError('deadline_exceeded', 'no answer'))
const settled = (watch: Promise<void>) =>
  Promise.race([watch.then(() => true), Bun.sleep(50).then(() => false)])

test('a guest that answers a while and then no more is silent', async () => {
  let asked = 0
  const check = () => (++asked < 4 ? Promise.resolve() : late())
  await guestSilent({ intervalMs: 1, check, signal: new AbortController().signal })
  expect(asked).toBe(4)
})

test('each answer in time is told, so that what the question took can be given back', async () => {
  let asked = 0
  const told: number[] = []
  const check = () => (++asked < 3 ? Promise.resolve() : late())
  await guestSilent({
    intervalMs: 1,
    check,
    onAnswered: () => told.push(asked),
    signal: new AbortController().signal,
  })
  expect(told).toEqual([1, 2])
})

test('a lost connection is not silence', async () => {
  const check = () => Promise.reject(new TtrpcError('unavailable', 'closed'))
  expect(await settled(guestSilent({ intervalMs: 1, check, signal: new AbortController().signal }))).toBe(
    false,
  )
})

test('nothing is asked once the sandbox stops', async () => {
  const stop = new AbortController()
  let asked = 0
  const check = async () => {
    asked++
    stop.abort()
    return late()
  }
  expect(await settled(guestSilent({ intervalMs: 1, check, signal: stop.signal }))).toBe(false)
  expect(asked).toBe(1)
})

test('what holds the machine up on purpose is no silence, whenever it began or ended', async () => {
  let times = 0
  let now = false
  let asked = 0
  const check = () => {
    asked++
    if (asked === 1) [times, now] = [1, true]
    if (asked === 3) now = false
    return late()
  }
  const watch = guestSilent({
    intervalMs: 1,
    check,
    heldUp: () => ({ times, now }),
    signal: new AbortController().signal,
  })
  await watch
  // 1: it began meanwhile. 2: it goes on. 3: it ended meanwhile. 4: nobody holds it up.
  expect(asked).toBe(4)
})

test('a machine that the host gave no processor is not silent, and that is told', async () => {
  let waited = 0
  let starved = 0
  const check = () => {
    // Half of the patience, and then hardly.
    waited += waited === 0 ? 15_000 : 1000
    return late()
  }
  await guestSilent({
    intervalMs: 1,
    check,
    waited: () => waited,
    onStarved: () => void starved++,
    signal: new AbortController().signal,
  })
  expect({ waited, starved }).toEqual({ waited: 16_000, starved: 1 })
})
