/** A directory of an image's layers, copied as an overlay would show it. */
import { afterAll, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../linux/files/fifo.ts'
import { makeWhiteout, setXattr } from '../linux/files/inode.ts'
import { bindMount, unmountBelow } from '../linux/mounts/mount.ts'
import { copyMergedDirectory } from './merged-copy.ts'

const base = mkdtempSync(`${tmpdir()}/merged-copy-`)
afterAll(() => rmSync(base, { recursive: true }))
const asRoot = test.skipIf(process.getuid?.() !== 0)
let count = 0

/** Layers of these files (a name that ends with / is a directory), topmost first, and an empty target. */
function image(...layers: Record<string, string>[]): { layers: string[]; target: string } {
  const root = `${base}/${count++}`
  const directories = layers.map((files, index) => {
    for (const [name, text] of Object.entries(files)) {
      const path = `${root}/layer${index}/${name}`
      mkdirSync(name.endsWith('/') ? path : path.slice(0, path.lastIndexOf('/')), { recursive: true })
      if (!name.endsWith('/')) writeFileSync(path, text)
    }
    return `${root}/layer${index}`
  })
  mkdirSync(`${root}/target`)
  return { layers: directories, target: `${root}/target` }
}

asRoot('a file between two directories hides the one below it', async () => {
  const { layers, target } = image({ 'data/sub/new': '' }, { 'data/sub': 'a file' }, { 'data/sub/old': '' })
  expect(await copyMergedDirectory(layers, '/data', target)).toBe(true)
  expect(readdirSync(`${target}/sub`)).toEqual(['new'])
})

asRoot('layers are merged, and what the upper ones hide is not there', async () => {
  const { layers, target } = image(
    { 'data/both': 'new', 'data/opaque/new': '', 'data/file/': '' },
    {
      'data/both': 'old',
      'data/gone': 'old',
      'data/opaque/old': '',
      'data/sub/kept': 'kept',
      'data/file/x': '',
    },
  )
  makeWhiteout(`${layers[0]}/data/gone`)
  setXattr(`${layers[0]}/data/opaque`, 'trusted.overlay.opaque', Buffer.from('y'))
  rmSync(`${layers[0]}/data/file`, { recursive: true })
  writeFileSync(`${layers[0]}/data/file`, 'a file')
  expect(await copyMergedDirectory(layers, '/data', target)).toBe(true)
  expect(readdirSync(target, { recursive: true }).sort()).toEqual(
    ['both', 'file', 'opaque', 'opaque/new', 'sub', 'sub/kept'].sort(),
  )
  expect(readFileSync(`${target}/both`, 'utf8')).toBe('new')
  expect(readFileSync(`${target}/file`, 'utf8')).toBe('a file')
})

asRoot('owners, modes and links stay; devices and FIFOs are left out', async () => {
  const { layers, target } = image({ 'srv/data/program': 'x', 'srv/data/sub/': '' })
  const data = `${layers[0]}/srv/data`
  chownSync(`${data}/program`, 12, 34)
  chmodSync(`${data}/program`, 0o4750)
  chmodSync(`${data}/sub`, 0o1777)
  chownSync(data, 999, 998)
  chmodSync(data, 0o750)
  makeFifo(`${data}/fifo`)
  const victim = `${base}/victim`
  writeFileSync(victim, '')
  const before = statSync(victim)
  symlinkSync(victim, `${data}/link`)
  lchownSync(`${data}/link`, 56, 78)
  expect(await copyMergedDirectory(layers, '/srv/data', target)).toBe(true)
  expect(statSync(target)).toMatchObject({ uid: 999, gid: 998, mode: 0o40750 })
  expect(statSync(`${target}/program`)).toMatchObject({ uid: 12, gid: 34, mode: 0o104750 })
  expect(statSync(`${target}/sub`).mode).toBe(0o41777)
  expect(lstatSync(`${target}/link`).isSymbolicLink()).toBe(true)
  expect(readlinkSync(`${target}/link`)).toBe(victim)
  expect(lstatSync(`${target}/link`)).toMatchObject({ uid: 56, gid: 78 })
  expect(statSync(victim)).toEqual(before)
  expect(existsSync(`${target}/fifo`)).toBe(false)
})

asRoot('the names of one file take the room of one, whatever they are', async () => {
  const { layers, target } = image(
    { 'data/first': 'one', 'data/other': 'two', 'data/deep/er/': '' },
    { 'data/below': 'three' },
  )
  const [upper, lower] = layers.map((layer) => `${layer}/data`)
  const odd = Buffer.from('deep/er/\xff\n', 'latin1')
  for (const name of ['second', 'deep/third'].map((text) => Buffer.from(text)).concat(odd))
    linkSync(`${upper}/first`, Buffer.concat([Buffer.from(`${upper}/`), name]))
  linkSync(`${lower}/below`, `${lower}/again`)
  // One name outside of the directory, and one that an upper layer hides.
  linkSync(`${upper}/other`, `${layers[0]}/outside`)
  linkSync(`${lower}/below`, `${lower}/first`)
  expect(await copyMergedDirectory(layers, '/data', target)).toBe(true)
  const facts = (name: string | Buffer) => {
    const path = Buffer.concat([Buffer.from(`${target}/`), Buffer.from(name)])
    const { ino, nlink } = statSync(path)
    return { ino, nlink, text: readFileSync(path, 'utf8') }
  }
  const one = facts('first')
  expect(one).toMatchObject({ nlink: 4, text: 'one' })
  for (const name of ['second', 'deep/third', odd]) expect(facts(name)).toEqual(one)
  expect(facts('other')).toMatchObject({ nlink: 1, text: 'two' })
  expect(facts('below')).toMatchObject({ nlink: 2, text: 'three' })
  expect(facts('again')).toEqual(facts('below'))
})

asRoot('a link on the way leads to a place in the image, never to one of the host', async () => {
  const { layers, target } = image({ 'real/file': 'mine', 'etc-of-the-image/': '' })
  symlinkSync('/real', `${layers[0]}/data`)
  symlinkSync('/etc', `${layers[0]}/host`)
  symlinkSync('../../../../../../etc', `${layers[0]}/up`)
  expect(await copyMergedDirectory(layers, '/data', target)).toBe(true)
  expect(readdirSync(target)).toEqual(['file'])
  for (const path of ['/host', '/up', '/nothing', '/real/file'])
    expect(await copyMergedDirectory(layers, path, target)).toBe(false)
})

asRoot('what is mounted over a part of it is not copied, and the target is no link', async () => {
  for (const name of ['sub', 'file']) {
    const { layers, target } = image({ 'data/sub/x': 'mine', 'data/file': 'mine', 'secret/x': 'the host’s' })
    const mounted = `${layers[0]}/data/${name}`
    bindMount(`${layers[0]}/secret${name === 'file' ? '/x' : ''}`, mounted)
    try {
      await expect(copyMergedDirectory(layers, '/data', target)).rejects.toThrow('EXDEV')
    } finally {
      unmountBelow(mounted)
    }
    rmSync(target, { recursive: true })
    symlinkSync(`${layers[0]}/secret`, target)
    await expect(copyMergedDirectory(layers, '/data', target)).rejects.toThrow('ENOTDIR')
    expect(readdirSync(`${layers[0]}/secret`)).toEqual(['x'])
  }
})

asRoot('a file that somebody goes on writing to has an end', async () => {
  const { layers, target } = image({ 'data/log': 'x' })
  const signal = new AbortController().signal
  let grown = 0
  // Asked between the pieces of a file.
  signal.throwIfAborted = () => {
    if (grown++ < 100) appendFileSync(`${layers[0]}/data/log`, 'more')
  }
  await copyMergedDirectory(layers, '/data', target, signal)
  expect(readFileSync(`${target}/log`, 'utf8').length).toBeLessThan(10)
})

asRoot('an abort ends it', async () => {
  const { layers, target } = image({ 'data/a': '' })
  await expect(copyMergedDirectory(layers, '/data', target, AbortSignal.abort('enough'))).rejects.toBe(
    'enough',
  )
})

asRoot('a file of any size can be given up', async () => {
  const { layers, target } = image({ 'data/large': '' })
  truncateSync(`${layers[0]}/data/large`, 2 ** 28)
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('enough')), 1)
  await expect(copyMergedDirectory(layers, '/data', target, stop.signal)).rejects.toThrow('enough')
})
