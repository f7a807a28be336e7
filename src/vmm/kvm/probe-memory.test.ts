import { expect, test } from 'bun:test'
import { probeMemoryMiB } from './probe-memory.ts'

test.each([
  ['enough for kernel and initrd', 10 * 1024 ** 2, 2048, 336],
  ['more for a large initrd', 200 * 1024 ** 2, 8192, 1856],
  ['never more than a sandbox has', 200 * 1024 ** 2, 512, 512],
  ['and without an initrd what the kernel takes', 0, 2048, 256],
])('%s', (_, initrdBytes, defaultMemoryMiB, memoryMiB) => {
  expect(probeMemoryMiB(initrdBytes, defaultMemoryMiB)).toBe(memoryMiB)
})
