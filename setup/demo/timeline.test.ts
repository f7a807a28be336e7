import { expect, test } from 'bun:test'
import { timeline } from './timeline.ts'

test('bars stand where and as long as the steps ran', () => {
  const lines = timeline(
    [
      { name: 'second', at: 500, ms: 500 },
      { name: 'first', at: 0, ms: 500 },
    ],
    39,
  )
  expect(lines).toEqual(['first  |██████████          |   500 ms', 'second |          ██████████|   500 ms'])
})

test('the shortest step is seen, and no line is too long', () => {
  const lines = timeline(
    [
      { name: 'long', at: 0, ms: 10_000 },
      { name: 'short', at: 9999, ms: 1 },
    ],
    80,
  )
  expect(lines.every((line) => line.length <= 80)).toBe(true)
  expect(lines[1]).toMatch(/█\|/)
})
