import { expect, test } from 'bun:test'
import { memoryBound } from './memory-bound.ts'

const MiB = 1024 ** 2
const bound = (memoryMiB: number, mostFiles?: number) => Math.round(memoryBound(memoryMiB, mostFiles) / MiB)

test('a small machine is bounded by the files that it can know, a large one by those that may be open', () => {
  expect(bound(128, 1_000_000)).toBe(128 + 2 + 768 + 3 * 128)
  expect(bound(2048, 1_000_000)).toBe(2048 + 32 + 768 + 2930)
  expect(bound(2048, 1024)).toBe(2048 + 32 + 768 + 3)
})

test('a smallest machine that was taken over does not get 1.5 GiB', () => {
  expect(bound(128)).toBeLessThan(1536)
})
