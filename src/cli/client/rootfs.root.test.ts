import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { writeIndex } from '../../images/store/index-file.ts'
import { loadImages } from '../../images/store/load.ts'
import { holdStore } from '../../images/store/store-lock.ts'
import { makeStore, type StorePaths, storePaths } from '../../images/store/store-paths.ts'
import { makeOciArchive, makeTar } from '../../images/testing.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { silentLogger } from '../../log.ts'
import type { Settings } from '../settings.ts'
import { chooseRootfs } from './rootfs.ts'

const words = { args: ['x'], onlyCommand: true }
const archive = makeOciArchive([{ tar: makeTar([{ name: 'file', content: 'x' }]) }])
let settings: Settings
let paths: StorePaths
beforeEach(() => {
  const stateDir = mkdtempSync('/var/tmp/kata-ts-chosen-')
  settings = {
    namespace: 'a',
    runDir: stateDir,
    stateDir,
    format: 'text',
    debug: false,
    log: silentLogger,
    env: {},
    self: { program: '', prefix: [] },
    tell: () => {},
    print: () => true,
  }
  paths = storePaths(stateDir)
  makeStore(paths)
})
afterEach(() => rmSync(settings.stateDir, { recursive: true }))

/** Nobody shares the store any more. */
const soon = async () => (await holdStore(paths, AbortSignal.timeout(2000)))[Symbol.dispose]()

test('who sends the image of a run slowly keeps nobody from removing images, until it is there', async () => {
  const pipe = `${settings.stateDir}/pipe`
  makeFifo(pipe)
  const writer = openSync(pipe, 'r+')
  writeSync(writer, archive.subarray(0, 700))
  const chosen = chooseRootfs(settings, { image: pipe }, words, 0)
  try {
    await Bun.sleep(100)
    await soon()
  } finally {
    writeSync(writer, archive.subarray(700))
    closeSync(writer)
    await chosen.catch(() => {})
  }
  const { lowerDirs, description, release } = await chosen
  expect([lowerDirs.length, description]).toEqual([1, pipe])
  // The positive control: its layers stay until they are noted.
  await expect(soon()).rejects.toThrow()
  release()
  await soon()
})

test('an image of standard input is called so, and not by a file of the working directory', async () => {
  const script = `
    const { chooseRootfs } = await import(${JSON.stringify(`${import.meta.dir}/rootfs.ts`)})
    const settings = ${JSON.stringify({ ...settings, log: undefined, print: undefined, tell: undefined })}
    const { description, release } = await chooseRootfs(settings, { image: '-' }, ${JSON.stringify(words)}, 0)
    release()
    console.log(description)`
  const child = Bun.spawnSync([process.execPath, '-e', script], { stdin: Buffer.from(archive) })
  expect([child.stdout.toString(), child.stderr.toString()]).toEqual(['-\n', ''])
})

test('an archive is unpacked within the limit of the store, where its layers are not there', async () => {
  const image = `${settings.stateDir}/archive.tar`
  writeFileSync(image, makeOciArchive([{ tar: makeTar([{ name: 'file', content: 'x'.repeat(5000) }]) }]))
  const choose = (limitBytes: number) => chooseRootfs(settings, { image }, words, limitBytes)
  await expect(choose(8191)).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  await soon()
  // The positive control.
  const { lowerDirs } = await choose(8192)
  expect((await choose(1)).lowerDirs).toEqual(lowerDirs)
})

test('an image that goes between being found and being held is told as what is not stored', async () => {
  const file = `${settings.stateDir}/archive.tar`
  writeFileSync(file, archive)
  const signal = new AbortController().signal
  await loadImages(paths, file, { tag: 'app:1', limitBytes: 0, signal, onStep: () => {} })
  const choose = () =>
    chooseRootfs(settings, { pull: 'never' }, { args: ['app:1', 'x'], onlyCommand: false }, 0)
  // The positive control.
  const { imageId, release } = await choose()
  expect(imageId).toStartWith('sha256:')
  release()
  const removal = await holdStore(paths)
  const chosen = choose()
  chosen.catch(() => {})
  await Bun.sleep(100)
  writeIndex(paths, [])
  removal[Symbol.dispose]()
  await expect(chosen).rejects.toMatchObject({ code: 'IMAGE_NOT_STORED' })
  await soon()
})
