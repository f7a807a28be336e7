import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { makeFifo } from '../linux/files/fifo.ts'
import { makeWhiteout, setXattr, xattrsOf } from '../linux/files/inode.ts'
import { LargeInodes } from '../linux/mounts/large-inodes.double.ts'
import { changesOf } from './changes.ts'
import { chunkSource } from './formats/byte-source.ts'
import { readTar, type TarEntry } from './formats/tar-reader.ts'
import { changesTar, filesTar } from './tree-tar.ts'

let base: string
let layers: string[]
const signal = new AbortController().signal
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-tree-')
  layers = ['upper', 'top', 'base'].map((name) => `${base}/${name}`)
  for (const layer of layers) mkdirSync(`${layer}/etc`, { recursive: true })
  writeFileSync(`${base}/base/etc/old`, 'old')
  writeFileSync(`${base}/base/etc/kept`, 'kept')
  mkdirSync(`${base}/base/hidden`)
  writeFileSync(`${base}/base/hidden/below`, '')
  makeWhiteout(`${base}/top/etc/old`)
  writeFileSync(`${base}/top/etc/gone`, 'gone')
  makeWhiteout(`${base}/upper/etc/gone`)
  makeWhiteout(`${base}/upper/etc/never-was`)
  writeFileSync(`${base}/upper/etc/kept`, 'changed')
  writeFileSync(`${base}/upper/etc/hosts`, 'ours')
  mkdirSync(`${base}/upper/hidden`)
  setXattr(`${base}/upper/hidden`, 'trusted.overlay.opaque', Buffer.from('y'))
  writeFileSync(`${base}/upper/new`, 'new')
  chownSync(`${base}/upper/new`, 1000, 50)
  chmodSync(`${base}/upper/new`, 0o4755)
  setXattr(`${base}/upper/new`, 'user.note', Buffer.from('note'))
  linkSync(`${base}/upper/new`, `${base}/upper/same`)
  symlinkSync('/etc/shadow', `${base}/upper/link`)
  makeFifo(`${base}/upper/fifo`)
})
afterEach(() => rmSync(base, { recursive: true }))

const options = { signal, isLeftOut: (path: string) => path === 'etc/hosts' }

async function entries(tar: AsyncGenerator<Uint8Array>) {
  const found = new Map<string, TarEntry & { text: string }>()
  for await (const entry of readTar(chunkSource(tar))) {
    let text = ''
    for await (const piece of entry.content()) text += piece.toString()
    found.set(entry.name.replace(/\/$/, ''), { ...entry, text })
  }
  return found
}

test('a tar of all that the container sees', async () => {
  const found = await entries(filesTar(layers, options))
  expect([...found.keys()].sort()).toEqual(
    ['.', 'etc', 'etc/kept', 'fifo', 'hidden', 'link', 'new', 'same'].sort(),
  )
  expect(found.get('etc/kept')?.text).toBe('changed')
  expect(found.get('link')).toMatchObject({ type: 'symlink', linkName: '/etc/shadow' })
  const [first, second] = [...found.values()].filter(({ name }) => name === 'new' || name === 'same')
  expect(first).toMatchObject({ type: 'file', text: 'new', uid: 1000, gid: 50, mode: 0o4755 })
  expect(first?.xattrs.get('user.note')?.toString()).toBe('note')
  expect(second).toMatchObject({ type: 'hardlink', linkName: first!.name })
})

test('files of several names stay apart on a file system of large inode numbers', async () => {
  using place = new LargeInodes(`${base}/large`)
  // The clock of the file system may stand still for one of them; others have none.
  for (let serial = 0; serial < 50; serial++) {
    writeFileSync(`${place.files}/${serial}`, `${serial}`)
    linkSync(`${place.files}/${serial}`, `${place.files}/${serial}-same`)
  }
  place.show()
  const found = await entries(filesTar([place.shown], options))
  const whole = [...found.values()].filter(({ type }) => type === 'file')
  expect(whole).toHaveLength(50)
  for (const { name, text } of whole) expect(text).toBe(name.replace('-same', ''))
})

test('extended attributes are bounded, and take the memory that they have', () => {
  const fd = openSync(`${base}/upper/new`, 'r')
  try {
    expect(xattrsOf(fd).get('user.note')?.buffer.byteLength).toBeLessThan(65_536)
    expect([...xattrsOf(fd, 13).keys()]).toEqual(['user.note'])
    expect(() => xattrsOf(fd, 12)).toThrow(expect.objectContaining({ errno: 'E2BIG' }))
  } finally {
    closeSync(fd)
  }
})

test('a tar of what it has changed is a layer of an image', async () => {
  const found = await entries(changesTar(layers, options))
  expect([...found.keys()].sort()).toEqual(
    ['.', 'etc', 'etc/.wh.gone', 'etc/kept', 'fifo', 'hidden', 'hidden/.wh..wh..opq'].concat([
      'link',
      'new',
      'same',
    ]),
  )
})

test('the changes by docker’s letters', async () => {
  const changes: string[] = []
  for await (const { kind, path } of changesOf(layers, options)) changes.push(`${kind} ${path}`)
  expect(changes.sort()).toEqual(
    ['A /fifo', 'A /link', 'A /new', 'A /same', 'C /etc', 'C /etc/kept', 'C /hidden', 'D /etc/gone'].sort(),
  )
})

test('/etc, which the runtime makes itself, is no change without another one in it', async () => {
  rmSync(`${base}/upper`, { recursive: true })
  mkdirSync(`${base}/upper/etc`, { recursive: true })
  writeFileSync(`${base}/upper/etc/hosts`, 'ours')
  const changes: unknown[] = []
  for await (const change of changesOf(layers, options)) changes.push(change)
  expect(changes).toEqual([])
})

test('a directory that the runtime makes itself is no change, and one above another change is', async () => {
  rmSync(`${base}/upper`, { recursive: true })
  mkdirSync(`${base}/upper/etc/kept-dir/made`, { recursive: true })
  writeFileSync(`${base}/upper/etc/kept-dir/hosts`, 'ours')
  const changed = async () => {
    const changes: string[] = []
    const ofRuntime = '/etc/kept-dir'
    const isLeftOut = (path: string) => path === 'etc/kept-dir/hosts'
    for await (const { kind, path } of changesOf(layers, { ...options, isLeftOut, ofRuntime }))
      changes.push(`${kind} ${path}`)
    return changes
  }
  expect(await changed()).toEqual(['C /etc', 'A /etc/kept-dir', 'A /etc/kept-dir/made'])
  rmSync(`${base}/upper/etc/kept-dir/made`, { recursive: true })
  expect(await changed()).toEqual([])
})

test('a link in the place of a directory of the host’s leads nowhere', async () => {
  rmSync(`${base}/upper/etc`, { recursive: true })
  symlinkSync('/etc', `${base}/upper/etc`)
  const found = await entries(filesTar(layers, options))
  expect([...found.keys()].filter((name) => name.startsWith('etc'))).toEqual(['etc'])
  expect(found.get('etc')).toMatchObject({ type: 'symlink', linkName: '/etc' })
  expect(readFileSync('/etc/passwd', 'utf8')).not.toBe('')
})

test('a file of any size can be given up', async () => {
  writeFileSync(`${base}/upper/large`, '')
  truncateSync(`${base}/upper/large`, 2 ** 31)
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('enough')), 1)
  const read = async () => {
    for await (const _ of filesTar(layers, { signal: stop.signal }));
  }
  await expect(read()).rejects.toThrow('enough')
})
