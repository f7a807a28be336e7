import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { makeFifo } from '../../linux/files/fifo.ts'
import { parseImageSource } from '../names/image-source.ts'
import { copySource } from './copy-source.ts'

const uid = 0x7fff1234
let base: string
beforeEach(() => {
  base = mkdtempSync('/tmp/kata-ts-copy-')
  for (const [directory, text] of [
    ['theirs', 'theirs'],
    ['secret', 'of root'],
  ]) {
    mkdirSync(`${base}/${directory}/layout/blobs`, { recursive: true })
    writeFileSync(`${base}/${directory}/layout/blobs/one`, text!)
    writeFileSync(`${base}/${directory}/archive.tar`, text!)
  }
})
afterEach(() => rmSync(base, { recursive: true }))

const copy = (
  text: string,
  { checkRoom = (_: number) => {}, signal = new AbortController().signal } = {},
): Promise<void> => copySource(parseImageSource(text)!, { target: `${base}/copy`, uid, signal, checkRoom })

/** Who owns the directory puts a link to root's in its place. */
const swap = () => {
  renameSync(`${base}/theirs`, `${base}/moved`)
  symlinkSync('secret', `${base}/theirs`)
}

test('a directory is what was opened, whatever has its name by then', async () => {
  await copy(`oci:${base}/theirs/layout`, { checkRoom: once(swap) })
  expect(readFileSync(`${base}/copy/blobs/one`, 'utf8')).toBe('theirs')
})

test('a file is what was opened', async () => {
  await copy(`oci-archive:${base}/theirs/archive.tar`, { checkRoom: once(swap) })
  expect(readFileSync(`${base}/copy`, 'utf8')).toBe('theirs')
})

test('a file grows no further than it was, and all of them have the room that there is', async () => {
  const archive = `${base}/theirs/archive.tar`
  const grow = (bytes: number) => truncateSync(archive, bytes + 5_000_000)
  await copy(`oci-archive:${archive}`, { checkRoom: grow })
  expect(lstatSync(`${base}/copy`).size).toBe('theirs'.length)
  rmSync(`${base}/copy`)
  const checkRoom = (bytes: number) => {
    if (bytes > 10) throw new Error('no room')
  }
  writeFileSync(`${base}/theirs/layout/index.json`, '{  }')
  await copy(`oci:${base}/theirs/layout`, { checkRoom })
  rmSync(`${base}/copy`, { recursive: true })
  writeFileSync(`${base}/theirs/layout/index.json`, '{   }')
  await expect(copy(`oci:${base}/theirs/layout`, { checkRoom })).rejects.toThrow('no room')
})

test('all of it belongs to the reader; links stay links, and what is no file is left out', async () => {
  symlinkSync('/etc/shadow', `${base}/theirs/layout/link`)
  makeFifo(`${base}/theirs/layout/fifo`)
  await copy(`oci:${base}/theirs/layout`)
  expect(readdirSync(`${base}/copy`).sort()).toEqual(['blobs', 'link'])
  expect(readlinkSync(`${base}/copy/link`)).toBe('/etc/shadow')
  const owners = ['', '/blobs', '/blobs/one', '/link'].map((name) => lstatSync(`${base}/copy${name}`).uid)
  expect(new Set(owners)).toEqual(new Set([uid]))
})

test('what is neither a file nor a directory is refused, and nobody waits for it', async () => {
  makeFifo(`${base}/fifo`)
  await expect(copy(`oci-archive:${base}/fifo`)).rejects.toThrow(/^\[ROOTFS_MISSING\].*neither/)
  await expect(copy(`oci:${base}/none`)).rejects.toThrow(/^\[ROOTFS_MISSING\].*does not exist/)
})

test('it can be given up', async () => {
  const giving = new AbortController()
  const checkRoom = () => giving.abort(new Error('given up'))
  const copied = copy(`oci:${base}/theirs/layout`, { checkRoom, signal: giving.signal })
  await expect(copied).rejects.toThrow('given up')
})

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}
