import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
    '[VMM_NO_HUGEPAGES] the machine needs 129 huge pages of 2048 KiB for 257 MiB of memory, and 128 are free',
  )
  expect(() => requireHugePages(256, { ...nobody, meminfo: meminfo(200, 73) })).toThrow('127 are free')
})

test('a kernel without huge pages has none', () => {
  expect(() => requireHugePages(128, { ...nobody, meminfo: 'MemTotal: 99 kB\n' })).toThrow('VMM_NO_HUGEPAGES')
  expect(hugePageBytes('MemTotal: 99 kB\n')).toBe(0)
})

/** Promises in a directory of their own, as long as `free` pages are. */
function promises(name: string) {
  const ledger = new Ledger(`${directory}/${name}.ledger`, [pagePromiseResource as never], silentLogger)
  const taken = new Map<number, number>()
  const sources = (free: number) => ({
    directory: `${directory}/${name}`,
    meminfo: meminfo(free, 0),
    // Each user has one process, whose number is the user's.
    pidsOf: (uid: number) => [uid],
    takenKiB: (pid: number) => taken.get(pid) ?? 0,
  })
  return {
    ...{ ledger, taken, sources },
    promise: (uid: number, free: number, memoryMiB = 512, privateDir = `/run/user/${uid}`) => {
      const identity = { name: 'x', uid, gid: uid, groups: [] }
      return promiseHugePages(ledger, { identity, privateDir }, memoryMiB, sources(free))
    },
    uids: () => readdirSync(`${directory}/${name}`).map((file) => file.replace(/\.[0-9a-f]{8}\.[\w-]+$/, '')),
  }
}

test('what a machine may still take is promised to it, until it is gone', async () => {
  const { ledger, taken, sources, promise, uids } = promises('promises')
  await promise(70_000, 300)
  // It has touched 46 of its 256 pages, so that 254 of 300 look free, and 44 are.
  taken.set(70_000, 46 * 2048)
  expect(() => requireHugePages(88, sources(254))).not.toThrow()
  expect(() => requireHugePages(90, sources(254))).toThrow(
    'needs 45 huge pages of 2048 KiB for 90 MiB of memory, and 44',
  )
  await expect(promise(70_001, 254)).rejects.toThrow('44 are free')
  // Nothing is left of the one that was refused.
  expect(uids()).toEqual(['70000'])
  await promise(70_001, 254 + 212)
  await ledger.releaseAll()
  expect(uids()).toEqual([])
  expect(() => requireHugePages(508, sources(254))).not.toThrow()
})

test('promises to one user stand beside each other, and what it has taken counts once', async () => {
  const { ledger, taken, sources, promise, uids } = promises('of-one')
  await promise(70_000, 256)
  await expect(promise(70_000, 256)).rejects.toThrow('0 are free')
  const giveUp = await promise(70_000, 300, 88)
  expect(uids()).toEqual(['70000', '70000'])
  taken.set(70_000, 100 * 2048)
  expect(() => requireHugePages(2, sources(201))).not.toThrow()
  expect(() => requireHugePages(4, sources(201))).toThrow('1 are free')
  await giveUp()
  expect(uids()).toEqual(['70000'])
  expect(() => requireHugePages(90, sources(201))).not.toThrow()
  // A process that comes after a shim that was killed knows all of them from its ledger.
  await promise(70_000, 300, 88)
  await new Ledger(ledger.path, [pagePromiseResource as never], silentLogger).releaseAll()
  expect(uids()).toEqual([])
})

test('a promise of an older version counts as any other, and is given up by its record', async () => {
  const { taken, sources, promise, uids } = promises('older')
  mkdirSync(`${directory}/older`)
  const path = `${directory}/older/70000`
  writeFileSync(path, '256\n')
  taken.set(70_000, 56 * 2048)
  expect(() => requireHugePages(2, sources(200))).toThrow('0 are free')
  // Its user has become another machine's.
  await expect(promise(70_000, 244, 90)).rejects.toThrow('44 are free')
  await promise(70_000, 244, 88)
  await pagePromiseResource.release({ path }, silentLogger)
  expect(existsSync(path)).toBe(false)
  expect(uids()).toEqual(['70000'])
  // An older version takes all of a file for the number.
  const [name] = readdirSync(`${directory}/older`)
  expect(Number(readFileSync(`${directory}/older/${name}`, 'utf8'))).toBe(44)
})

test('of root’s processes only the machine’s own has taken of its pages, once it runs', async () => {
  const { taken, sources, promise } = promises('of-root')
  const [a, b] = [`${directory}/a`, `${directory}/b`]
  for (const privateDir of [a, b]) mkdirSync(privateDir)
  // Another process of root's has many; the machine that is not there yet has none.
  taken.set(0, 400 * 2048).set(41, 256 * 2048)
  await promise(0, 512, 512, a)
  await expect(promise(0, 256, 512, b)).rejects.toThrow('0 are free')
  writeFileSync(`${a}/pid`, '41\n')
  // The first machine has all of its pages by now, and what it grows by is still to be taken.
  await promise(0, 256, 8, a)
  expect(() => requireHugePages(504, sources(256))).not.toThrow()
  expect(() => requireHugePages(506, sources(256))).toThrow('252 are free')
  await promise(0, 256, 504, b)
  expect(() => requireHugePages(2, sources(256))).toThrow('0 are free')
})
