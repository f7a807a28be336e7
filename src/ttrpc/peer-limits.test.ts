import { expect, test } from 'bun:test'
import { Queued } from './peer-limits.ts'

test('a request that waits for room and is given up is not kept, nor sent', async () => {
  const queued = new Queued({ unasked: 0, queuedFrames: 8, queuedBytes: 8000 })
  const { promise: taken, resolve: take } = Promise.withResolvers<void>()
  queued.exceededBy(2000, taken)
  const sent: string[] = []
  const [first, second, third] = ['first', 'second', 'third'].map((name) =>
    queued.whenRoom(() => sent.push(name)),
  )
  expect(queued.held).toBe(3)
  second!()
  expect(queued.held).toBe(2)
  take()
  await taken
  expect(sent).toEqual(['first', 'third'])
  // Once it has gone there is nothing to give up.
  first!()
  third!()
  expect(queued.held).toBe(0)
})
