import { expect, test } from 'bun:test'
import { recordTimings } from './timings.ts'

/** A clock that gives these moments, one a call. */
const clock = (moments: number[]) => () => moments.shift()!

test('each step has its beginning and its time, also one that fails', async () => {
  const timings = recordTimings(new AbortController().signal, clock([100, 110, 112.25, 120, 150]))
  expect(await timings.measure('first', () => 'done')).toBe('done')
  await expect(timings.measure('second', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(timings.steps).toEqual([
    { step: 'first', at: 10, ms: 2.3 },
    { step: 'second', at: 20, ms: 30 },
  ])
})

test('no step begins once the start is given up, whose reason is thrown', async () => {
  const begun: string[] = []
  const timings = recordTimings(AbortSignal.abort(new Error('given up')))
  await expect(timings.measure('late', () => begun.push('late'))).rejects.toThrow('given up')
  expect({ begun, steps: timings.steps }).toEqual({ begun: [], steps: [] })
})
