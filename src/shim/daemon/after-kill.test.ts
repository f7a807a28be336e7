import { expect, setSystemTime, test } from 'bun:test'
import { neverHeldUp } from '../../sandbox/guest/health.ts'
import { within } from '../../time.ts'
import { AfterKill } from './after-kill.ts'

test.each([
  ['back', -3_600_000, true],
  ['on', 3_600_000, false],
])(
  'a clock of the host that is set %s neither holds up an end nor takes output from it',
  async (_, ms, isOver) => {
    const after = new AfterKill({ stallMs: isOver ? 50 : 60_000, endMs: 60_000 }, neverHeldUp, 1)
    after.killed()
    setSystemTime(Date.now() + ms)
    let isWanted = true
    try {
      const drained = after.drained(() => !isWanted).then(() => true)
      expect(await within(drained, 1000)).toBe(isOver ? true : undefined)
    } finally {
      isWanted = false
      setSystemTime()
    }
  },
)

test('as much output as may still come is awaited, and no more', async () => {
  const after = new AfterKill({ stallMs: 60_000, endMs: 60_000 }, neverHeldUp, 1000)
  after.killed()
  let isWanted = true
  const drained = after.drained(() => !isWanted).then(() => isWanted)
  after.delivered(999)
  expect(await within(drained, 300)).toBeUndefined()
  after.delivered(1)
  expect(await drained).toBe(true)
  isWanted = false
})

test('a guest that its host gave no processor gets its time anew', async () => {
  // Before and after each time.
  const waits = [0, 10, 20, 29]
  const after = new AfterKill({ stallMs: 60_000, endMs: 20 }, neverHeldUp, 1, () => waits.shift()!)
  after.killed()
  await after.overdue()
  expect(waits).toEqual([])
})

test('and not for ever: a guest that keeps all its processors busy stands in line, too', async () => {
  let looks = 0
  const after = new AfterKill({ stallMs: 60_000, endMs: 1 }, neverHeldUp, 1, () => looks++)
  after.killed()
  await after.overdue()
  expect(looks).toBe(6)
})

test('a process that has ended is not waited for any more, and is not late', async () => {
  const after = new AfterKill({ stallMs: 60_000, endMs: 60_000 }, neverHeldUp, 1)
  after.killed()
  const overdue = after.overdue()
  after.ended()
  expect(await within(overdue, 1000)).toBe(false)
  const quick = new AfterKill({ stallMs: 60_000, endMs: 1 }, neverHeldUp, 1)
  quick.killed()
  expect(await quick.overdue()).toBe(true)
})
