import { expect, test } from 'bun:test'
import { hugePageBytes, requireHugePages } from './huge-pages.ts'

const meminfo = (free: number, reserved: number) =>
  `MemTotal: 99 kB\nHugePages_Total: 500\nHugePages_Free: ${free}\nHugePages_Rsvd: ${reserved}\nHugepagesize: 2048 kB\n`

test('memory must fit into the pages that are free and promised to nobody', () => {
  expect(() => requireHugePages(256, meminfo(128, 0))).not.toThrow()
  expect(() => requireHugePages(256, meminfo(200, 72))).not.toThrow()
  expect(() => requireHugePages(257, meminfo(128, 0))).toThrow(
    '[VMM_NO_HUGEPAGES] the machine needs 129 huge pages of 2048 KiB for its 257 MiB, and 128 are free',
  )
  expect(() => requireHugePages(256, meminfo(200, 73))).toThrow('127 are free')
})

test('a kernel without huge pages has none', () => {
  expect(() => requireHugePages(128, 'MemTotal: 99 kB\n')).toThrow('VMM_NO_HUGEPAGES')
})

test('the size of a page is told in bytes', () => {
  expect(hugePageBytes(meminfo(1, 0))).toBe(2 * 1024 * 1024)
  expect(hugePageBytes('MemTotal: 99 kB\n')).toBe(0)
})
