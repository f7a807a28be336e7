import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { Storage } from '../../../../src/protocol/generated/agent.ts'
import { loadOnHost, type OnHost } from '../system/on-host.double.ts'
import { mirrorLimits } from './volume-mirror.ts'
import type { VolumeWatch } from './volume-watch.ts'

type Module = typeof import('./volume-watch.ts')

const base = mkdtempSync(`${tmpdir()}/watch-`)
const root = `${base}/containers`
const source = `${base}/volume`
const mountPoint = `${root}/watched/volume`
let host: OnHost<Module>
let watches: VolumeWatch[] = []
beforeAll(async () => {
  host = await loadOnHost<Module>('storage/volume-watch.ts', root)
})
beforeEach(() => {
  for (const watch of watches) watch.stop()
  watches = []
  for (const path of [root, source]) {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true })
  }
})
afterAll(() => {
  for (const watch of watches) watch.stop()
  rmSync(base, { recursive: true })
})

async function watch(): Promise<VolumeWatch> {
  const started = await host.module.watchVolume(Storage.fromPartial({ source, mountPoint }))
  watches.push(started)
  return started
}

/** A version as kubelet's atomic writer makes it. */
function write(version: string, text: string): void {
  mkdirSync(`${source}/${version}`)
  writeFileSync(`${source}/${version}/key`, text)
  symlinkSync(version, `${source}/..data_tmp`)
  renameSync(`${source}/..data_tmp`, `${source}/..data`)
}

const copied = () => readFileSync(`${mountPoint}/..data/key`, 'utf8')
/** Whether it comes to hold, long before a test is given up. */
async function soon(holds: () => boolean): Promise<boolean> {
  for (let looks = 0; looks < 1000 && !holds(); looks++) await Bun.sleep(2)
  return holds()
}
const saidOf = (text: string) => host.said.filter((line) => line.includes(text)).length

test('a volume is copied into memory before the container has it, and after each change', async () => {
  write('..1', 'red')
  await watch()
  expect(copied()).toBe('red')
  write('..2', 'blue')
  expect(await soon(() => copied() === 'blue')).toBe(true)
})

test('the memory is mounted once for all volumes of the pod, without devices and set-id programs', async () => {
  write('..1', 'red')
  const before = host.mounts.length
  await watch()
  await watch()
  const [noSuid, noDev] = [2, 4]
  const wanted = `tmpfs ${root}/watched tmpfs ${noSuid | noDev} mode=0700`
  expect(host.mounts.filter((line) => line === wanted).length).toBe(1)
  expect(host.mounts.slice(before).every((line) => line === wanted)).toBe(true)
})

test('from its stop on nobody looks, and the copy stays', async () => {
  write('..1', 'red')
  const watching = await watch()
  watching.stop()
  write('..2', 'blue')
  // Long enough for the double’s time to have passed several looks.
  await Bun.sleep(50)
  expect(copied()).toBe('red')
})

test('a volume that grows too large stays as it was, which is said once; it is copied again when it fits', async () => {
  write('..1', 'red')
  await watch()
  const tooLarge = `the copy of ${source} stays as it was: it has more than ${mirrorLimits.files} files`
  const before = saidOf(tooLarge)
  write('..2', 'x'.repeat(mirrorLimits.bytes + 1))
  expect(await soon(() => saidOf(tooLarge) > before)).toBe(true)
  await Bun.sleep(20)
  expect({ said: saidOf(tooLarge) - before, copied: copied() }).toEqual({ said: 1, copied: 'red' })
  write('..3', 'green')
  rmSync(`${source}/..2`, { recursive: true })
  expect(await soon(() => copied() === 'green')).toBe(true)
})

test('one that is too large from the start is shown as it is, and said so', async () => {
  for (let index = 0; index <= mirrorLimits.files; index++) writeFileSync(`${source}/${index}`, '')
  await watch()
  const bind = 4096
  expect(host.mounts).toContain(`${source} ${mountPoint}  ${bind} `)
  expect(saidOf(`${source} is too large to be copied`)).toBe(1)
  expect(readdirSync(mountPoint)).toEqual([])
})

test('a mount point outside of the share is refused', async () => {
  write('..1', 'red')
  const outside = `${base}/elsewhere/volume`
  const started = host.module.watchVolume(Storage.fromPartial({ source, mountPoint: outside }))
  await expect(started).rejects.toThrow(`${outside}`)
})
