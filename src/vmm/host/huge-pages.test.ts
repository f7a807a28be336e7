import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../../ledger/ledger.ts'
import { silentLogger } from '../../log.ts'
import { hugePageBytes, pagePromiseResource, promiseHugePages, requireHugePages } from './huge-pages.ts'

const directory = mkdtempSync(`${tmpdir()}/huge-pages-`)
afterAll(() => rmSync(directory, { recursive: true }))

const meminfo = (free: number, reserved: number) =>
  `MemTotal: 99 kB\nHugePages_Total: 500\nHugePages_Free: ${free}\nHugePages_Rsvd: ${reserved}\nHugepagesize: 2048 kB\n`
const nobody = { directory: `${directory}/none` }

test('memory must fit into the pages that are free and reserved for nobody', () => {
  expect(() => requireHugePages(256, { ...nobody, meminfo: meminfo(128, 0) })).not.toThrow()
  expect(() => requireHugePages(256, { ...nobody, meminfo: meminfo(200, 72) })).not.toThrow()
  expect(() => requireHugePages(257, { ...nobody, meminfo: meminfo(128, 0) })).toThrow(
    '[VMM_NO_HUGEPAGES] the machine needs 129 huge pages of 2048 KiB for its 257 MiB of memory, and 128 are free',
  )
  expect(() => requireHugePages(256, { ...nobody, meminfo: meminfo(200, 73) })).toThrow('127 are free')
})

test('a kernel without huge pages has none', () => {
  expect(() => requireHugePages(128, { ...nobody, meminfo: 'MemTotal: 99 kB\n' })).toThrow('VMM_NO_HUGEPAGES')
  expect(hugePageBytes('MemTotal: 99 kB\n')).toBe(0)
})

test('what a machine may still take is promised to it, until it is gone', async () => {
  const ledger = new Ledger(`${directory}/ledger`, [pagePromiseResource as never], silentLogger)
  const taken = new Map<number, number>()
  const sources = (free: number) => ({
    directory: `${directory}/promises`,
    meminfo: meminfo(free, 0),
    takenKiB: (uid: number) => taken.get(uid) ?? 0,
  })
  const promise = (uid: number, free: number) =>
    promiseHugePages(ledger, { uid, memoryMiB: 512 }, sources(free))
  await promise(70_000, 300)
  // It has touched 46 of its 256 pages, so that 254 of 300 look free, and 44 are.
  taken.set(70_000, 46 * 2048)
  expect(() => requireHugePages(88, sources(254))).not.toThrow()
  expect(() => requireHugePages(90, sources(254))).toThrow(
    'needs 45 huge pages of 2048 KiB for its 90 MiB of memory, and 44',
  )
  await expect(promise(70_001, 254)).rejects.toThrow('44 are free')
  // Nothing is left of the one that was refused.
  expect(readdirSync(`${directory}/promises`)).toEqual(['70000'])
  await promise(70_001, 254 + 212)
  await ledger.releaseAll()
  expect(readdirSync(`${directory}/promises`)).toEqual([])
  expect(() => requireHugePages(508, sources(254))).not.toThrow()
})
