import { expect, test } from 'bun:test'
import { extractVmlinux } from './kernel.ts'
import { fakeBzImage, fakeVmlinux } from './test-archive.ts'

const vmlinux = fakeVmlinux(5000)
const bzImage = fakeBzImage(vmlinux)

/** bzImage with one byte changed. */
function changed(at: number, value: number): Buffer {
  const copy = Buffer.from(bzImage)
  copy[at] = value
  return copy
}

test('gives the kernel that went in', () => {
  expect(Buffer.compare(extractVmlinux(bzImage, 'k'), vmlinux)).toBe(0)
})

for (const [name, bytes, reason] of [
  ['no setup header', changed(0x202, 0), 'not a bzImage'],
  ['too short', bzImage.subarray(0, 100), 'not a bzImage'],
  ['payload cut off', bzImage.subarray(0, bzImage.length - 20), 'beyond the end'],
  ['another compression', changed(2 * 512 + 100, 0), 'not compressed with zstd'],
  ['wrong size', changed(bzImage.length - 1, 9), 'damaged'],
  ['not an ELF file inside', fakeBzImage(Buffer.alloc(500, 1)), 'not an ELF file'],
] as const)
  test(`refuses ${name}`, () => {
    expect(() => extractVmlinux(bytes, 'k')).toThrow(reason)
    expect(() => extractVmlinux(bytes, 'k')).toThrow('[IMAGE_KERNEL_FORMAT]')
  })
