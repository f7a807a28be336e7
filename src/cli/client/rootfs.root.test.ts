import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { holdStore } from '../../images/store/store-lock.ts'
import { makeStore, storePaths } from '../../images/store/store-paths.ts'
import { makeOciArchive, makeTar } from '../../images/testing.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { silentLogger } from '../../log.ts'
import type { Settings } from '../settings.ts'
import { chooseRootfs } from './rootfs.ts'

test('who sends the image of a run slowly keeps nobody from removing images, until it is there', async () => {
  const stateDir = mkdtempSync('/var/tmp/kata-ts-slow-')
  const paths = storePaths(stateDir)
  const settings: Settings = {
    ...{
      namespace: 'a',
      runDir: stateDir,
      stateDir,
      format: 'text',
      debug: false,
      log: silentLogger,
      env: {},
    },
    ...{ self: { program: '', prefix: [] }, tell: () => {}, print: () => true },
  }
  const soon = async () => (await holdStore(paths, AbortSignal.timeout(2000)))[Symbol.dispose]()
  try {
    makeStore(paths)
    const archive = makeOciArchive([{ tar: makeTar([{ name: 'file', content: 'x' }]) }])
    const pipe = `${stateDir}/pipe`
    makeFifo(pipe)
    const writer = openSync(pipe, 'r+')
    writeSync(writer, archive.subarray(0, 700))
    const chosen = chooseRootfs(settings, { image: pipe }, { args: ['x'], onlyCommand: true })
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
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})
