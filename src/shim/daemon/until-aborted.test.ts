import { expect, test } from 'bun:test'
import { getEventListeners } from 'node:events'
import { untilAborted } from './until-aborted.ts'

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
