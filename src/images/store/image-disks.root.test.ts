import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { withBestEffortLock } from '../../linux/files/directory-lock.ts'
import { makeWhiteout } from '../../linux/files/inode.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { sleep } from '../../time.ts'
import { diskName, diskNames } from './disk-names.ts'
import { imageDisk } from './image-disks.ts'
import { storeBytes } from './image-store.ts'
import { planPrune, prune } from './remove-images.ts'
import { makeStore, type StorePaths, storePaths } from './store-paths.ts'

let state: string
let paths: StorePaths
beforeEach(() => {
  state = mkdtempSync('/var/tmp/kata-ts-image-disks-')
  paths = storePaths(state)
  makeStore(paths)
  for (const [name, file, text] of [
    ['top', 'new', 'by the upper layer\n'],
    ['base', 'old', 'hidden\n'],
    ['base', 'kept', 'by the lower layer\n'],
  ] as const) {
    mkdirSync(`${state}/${name}`, { recursive: true })
    writeFileSync(`${state}/${name}/${file}`, text)
  }
  makeWhiteout(`${state}/top/old`)
})
afterEach(() => rmSync(state, { recursive: true }))

const never = new AbortController().signal
const make = (more: { layers?: string[]; limitBytes?: number; signal?: AbortSignal } = {}) =>
  imageDisk(paths, {
    layers: [`${state}/top`, `${state}/base`],
    limitBytes: 0,
    container: 'web',
    signal: never,
    ...more,
  })
const nobody = { containers: new Map(), layers: new Set<string>(), disks: new Set<string>() }

async function show(disk: string): Promise<Record<string, string>> {
  const into = `${state}/shown`
  const { code, stderr } = await runTool(['/usr/bin/fsck.erofs', `--extract=${into}`, disk])
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
  return Object.fromEntries(readdirSync(into).map((name) => [name, readFileSync(`${into}/${name}`, 'utf8')]))
}

test('one disk has what an overlay of the layers shows, for all who ask, and counts', async () => {
  const before = storeBytes(paths)
  const [disk, same] = await Promise.all([make(), make()])
  expect(same).toBe(disk)
  expect(diskNames(paths)).toEqual([diskName(['top', 'base'])])
  expect(await show(disk)).toEqual({ kept: 'by the lower layer\n', new: 'by the upper layer\n' })
  expect(storeBytes(paths)).toBeGreaterThan(before)
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.disk-'))).toEqual([])
  // The same layers give the same bytes.
  const bytes = readFileSync(disk)
  rmSync(disk)
  expect(readFileSync(await make()).equals(bytes)).toBe(true)
  const alone = await make({ layers: [`${state}/base`] })
  expect(alone).not.toBe(disk)
})

test('a container keeps it; without one it goes, and what a killed start has left goes with it', async () => {
  const disk = await make()
  const name = diskName(['top', 'base'])
  const left = `${paths.layout}/.disk-4194399-killed`
  mkdirSync(left)
  expect((await planPrune(paths, { ...nobody, disks: new Set([name]) })).files).toEqual([left])
  const removed = await prune(paths, () => nobody)
  expect(removed.files).toEqual([disk, left])
  expect(removed.bytes).toBeGreaterThan(0)
  expect([existsSync(disk), existsSync(left)]).toEqual([false, false])
})

test('beyond the limit of the store, and when it is broken off, there is none', async () => {
  await expect(make({ limitBytes: 4096 })).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  await expect(make({ signal: AbortSignal.abort(new Error('broken off')) })).rejects.toThrow('broken off')
  await expect(make({ layers: [`${state}/none`] })).rejects.toMatchObject({ code: 'ROOTFS_DISK_FAILED' })
  expect([diskNames(paths), readdirSync(paths.layout).filter((name) => name.startsWith('.disk-'))]).toEqual([
    [],
    [],
  ])
})

test('a start that is given up does not wait for the disk of another one', async () => {
  const other = Promise.withResolvers<void>()
  const made = withBestEffortLock(paths.disks, 0, () => other.promise)
  const over = new AbortController()
  try {
    const waiting = make({ signal: over.signal }).then(
      () => 'made',
      (error) => error,
    )
    await Bun.sleep(100)
    over.abort(new Error('given up'))
    const late = sleep(2000).then(() => 'still waits')
    expect(await Promise.race([waiting, late])).toEqual(new Error('given up'))
  } finally {
    other.resolve()
    await made
  }
  expect(diskNames(paths)).toEqual([])
})
