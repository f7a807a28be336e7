import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { getXattr } from '../linux/files/inode.ts'
import { chunkSource } from './formats/byte-source.ts'
import { UnpackBudget } from './formats/unpack-budget.ts'
import { treeBytes } from './store/layer-sizes.ts'
import { makeTar, type TestEntry } from './testing.ts'
import { unpackLayer } from './unpack-layer.ts'

let base: string
let root: string
beforeEach(() => {
  // Not /tmp if that were a tmpfs without user attributes: the repository's file system has them.
  base = mkdtempSync('/var/tmp/kata-ts-layer-')
  root = join(base, 'layer')
  mkdirSync(root)
})
afterEach(() => rmSync(base, { recursive: true }))

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const unpackBytes = (bytes: Buffer, limits = { bytes: 1 << 20, entries: 100 }) =>
  unpackLayer(chunkSource(pieces(bytes, 700)), root, 'test', new UnpackBudget(limits))
const unpack = (...entries: TestEntry[]) => unpackBytes(makeTar(entries))
const at = (path: string) => join(root, path)

test('content, owner, mode with set-uid bit, time, links and capabilities are kept', async () => {
  const victim = join(base, 'victim')
  writeFileSync(victim, '', { mode: 0o600 })
  const before = statSync(victim)
  const capability = '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
  await unpack(
    { name: './', type: '5', mode: 0o711 },
    { name: 'bin/', type: '5', mode: 0o755 },
    { name: 'bin/su', content: 'x'.repeat(3000), mode: 0o4755, uid: 7 },
    { name: 'bin/hard', type: '1', linkName: 'bin/su' },
    { name: 'bin/soft', type: '2', linkName: victim, mode: 0o666, uid: 7 },
    { name: 'bin/ping', pax: { 'SCHILY.xattr.security.capability': capability, 'SCHILY.xattr.user.a': 'b' } },
    { name: 'pipe', type: '6', mode: 0o620 },
  )
  expect(lstatSync(root).mode & 0o7777).toBe(0o711)
  const su = lstatSync(at('bin/su'))
  expect([su.mode & 0o7777, su.uid, su.size, su.nlink, su.mtimeMs]).toEqual([0o4755, 7, 3000, 2, 1e12])
  expect(lstatSync(at('bin/hard')).ino).toBe(su.ino)
  expect(readlinkSync(at('bin/soft'))).toBe(victim)
  expect([lstatSync(at('bin/soft')).uid, lstatSync(at('bin/soft')).mtimeMs]).toEqual([7, 1e12])
  // Where it leads nothing changes: mode, owner, time.
  const { atimeMs: _, ...after } = statSync(victim)
  expect(before).toMatchObject(after)
  expect(getXattr(at('bin/ping'), 'security.capability').toString('latin1')).toBe(capability)
  expect(getXattr(at('bin/ping'), 'user.a').toString()).toBe('b')
  expect(lstatSync(at('pipe')).isFIFO()).toBe(true)
  expect(lstatSync(at('bin')).mtimeMs).toBe(1e12)
})

test('whiteouts become overlay’s own', async () => {
  await unpack(
    { name: 'dir/', type: '5' },
    { name: 'dir/.wh.gone' },
    { name: 'dir/.wh..wh..opq' },
    { name: 'dir/.wh..wh.plnk' },
    { name: 'dir/kept' },
    { name: 'dir/.wh.kept' },
  )
  expect(readdirSync(at('dir')).sort()).toEqual(['gone', 'kept'])
  const gone = lstatSync(at('dir/gone'))
  expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0])
  expect(lstatSync(at('dir/kept')).isFile()).toBe(true)
  expect(getXattr(at('dir'), 'trusted.overlay.opaque').toString()).toBe('y')
})

test('a directory that the layer hides and makes anew shows nothing of the layers below, in whatever order', async () => {
  await unpack(
    { name: '.wh.first' },
    { name: 'first/', type: '5', mode: 0o700 },
    { name: 'first/new' },
    { name: 'last/', type: '5' },
    { name: '.wh.last' },
    { name: '.wh.bare' },
    { name: 'bare/new' },
  )
  for (const name of ['first', 'last', 'bare'])
    expect(getXattr(at(name), 'trusted.overlay.opaque').toString()).toBe('y')
  expect(readdirSync(root, { recursive: true }).sort()).toEqual(
    ['first', 'first/new', 'last', 'bare', 'bare/new'].sort(),
  )
  expect(lstatSync(at('first')).mode & 0o7777).toBe(0o700)
})

test('a whiteout below a whiteout, as some tools write them, is one', async () => {
  await unpack({ name: '.wh.gone' }, { name: 'gone/.wh.inside' }, { name: 'gone/sub/.wh..wh..opq' })
  expect(readdirSync(root)).toEqual(['gone'])
  expect(lstatSync(at('gone')).isCharacterDevice()).toBe(true)
})

test('device nodes, and attributes that steer an overlay or a security module, are left out', async () => {
  await unpack(
    { name: 'sda', type: '4' },
    { name: 'null', type: '3' },
    {
      name: 'dir/',
      type: '5',
      pax: {
        'SCHILY.xattr.trusted.overlay.redirect': '/',
        'SCHILY.xattr.user.overlay.opaque': 'y',
        'SCHILY.xattr.security.kata-ts': 'x',
        'SCHILY.xattr.trusted.kata-ts': 'x',
        'SCHILY.xattr.user.kata-ts': 'kept',
      },
    },
  )
  expect(readdirSync(root)).toEqual(['dir'])
  for (const name of [
    'trusted.overlay.redirect',
    'user.overlay.opaque',
    'security.kata-ts',
    'trusted.kata-ts',
  ])
    expect(() => getXattr(at('dir'), name)).toThrow('ENODATA')
  expect(getXattr(at('dir'), 'user.kata-ts').toString()).toBe('kept')
})

test('of two entries with one name the last counts', async () => {
  await unpack(
    { name: 'a', type: '2', linkName: 'b' },
    { name: 'a', content: 'file' },
    { name: 'd/', type: '5' },
    { name: 'd/x' },
    { name: 'd', content: 'now a file' },
    { name: 'e' },
    { name: 'e/', type: '5' },
    { name: 'e/y' },
  )
  expect(readdirSync(root).sort()).toEqual(['a', 'd', 'e'])
  expect(readFileSync(at('a'), 'utf8')).toBe('file')
  expect(readFileSync(at('d'), 'utf8')).toBe('now a file')
  expect(readdirSync(at('e'))).toEqual(['y'])
})

test('an absolute name means the root of the layer', async () => {
  await unpack({ name: '/etc/kata-ts-test', content: 'x' })
  expect(existsSync('/etc/kata-ts-test')).toBe(false)
  expect(readFileSync(at('etc/kata-ts-test'), 'utf8')).toBe('x')
})

describe('nothing leaves the layer', () => {
  const outside = () => join(base, 'outside')
  beforeEach(() => {
    mkdirSync(outside())
    writeFileSync(join(outside(), 'victim'), 'untouched')
  })
  afterEach(() => {
    expect(readdirSync(outside())).toEqual(['victim'])
    expect(readFileSync(join(outside(), 'victim'), 'utf8')).toBe('untouched')
    expect(lstatSync(join(outside(), 'victim')).nlink).toBe(1)
    expect(readdirSync(base).sort()).toEqual(['layer', 'outside'])
  })

  test('positive control: the same entries are accepted without the trick', () =>
    unpack(
      { name: 'd/', type: '5' },
      { name: 'd/victim', content: 'x' },
      { name: 'h', type: '1', linkName: 'd/victim' },
      { name: 'a', pax: { path: 'n'.repeat(255) } },
      { name: 'd/.wh.x' },
    ))

  test.each<[string, RegExp, () => TestEntry[]]>([
    ['a path upwards', /upwards/, () => [{ name: '../outside/victim', content: 'x' }]],
    ['a path upwards inside', /upwards/, () => [{ name: 'a/../../outside/victim', content: 'x' }]],
    [
      'through an absolute symlink',
      /symbolic link/,
      () => [
        { name: 's', type: '2', linkName: outside() },
        { name: 's/victim', content: 'x' },
      ],
    ],
    [
      'through a relative symlink',
      /symbolic link/,
      () => [
        { name: 's', type: '2', linkName: '../outside' },
        { name: 's/new', content: 'x' },
      ],
    ],
    [
      'through a symlink in the place of a directory that was one',
      /symbolic link/,
      () => [
        { name: 'd/', type: '5' },
        { name: 'd/in/', type: '5' },
        { name: 'd', type: '2', linkName: outside() },
        { name: 'd/victim', content: 'x' },
      ],
    ],
    ['a hard link upwards', /upwards/, () => [{ name: 'h', type: '1', linkName: '../outside/victim' }]],
    [
      'a hard link through a symlink',
      /symbolic link/,
      () => [
        { name: 's', type: '2', linkName: outside() },
        { name: 'h', type: '1', linkName: 's/victim' },
      ],
    ],
    [
      'a hard link to what only the host has',
      /does not hold/,
      () => [{ name: 'h', type: '1', linkName: join(outside(), 'victim') }],
    ],
    [
      'a hard link to a whiteout',
      /does not hold/,
      () => [{ name: '.wh.gone' }, { name: 'h', type: '1', linkName: 'gone' }],
    ],
    [
      'a whiteout through a symlink',
      /symbolic link/,
      () => [{ name: 's', type: '2', linkName: outside() }, { name: 's/.wh.victim' }],
    ],
    ['a whiteout of the parent', /hides no name/, () => [{ name: 'd/.wh...' }]],
    ['a pax path upwards', /upwards/, () => [{ name: 'a', pax: { path: '../outside/victim' } }]],
    ['a whiteout of the directory itself', /hides no name/, () => [{ name: 'd/.wh..' }]],
    ['a whiteout of nothing', /hides no name/, () => [{ name: 'd/.wh.' }]],
    ['a path through a file', /leads through a file/, () => [{ name: 'f' }, { name: 'f/x' }]],
    [
      'a hard link to a directory',
      /does not hold/,
      () => [
        { name: 'd/', type: '5' },
        { name: 'h', type: '1', linkName: 'd' },
      ],
    ],
    ['a symlink to nothing', /link to nothing/, () => [{ name: 's', type: '2' }]],
    [
      'a symlink to a name with a NUL byte',
      /link to nothing/,
      () => [{ name: 's', type: '2', pax: { linkpath: 'x\0y' } }],
    ],
    ['a name with a NUL byte', /NUL/, () => [{ name: 'a', pax: { path: 'x\0y' } }]],
    [
      'a name that is too long',
      /its path is too long/,
      () => [{ name: 'a', pax: { path: 'n'.repeat(256) } }],
    ],
    ['a symlink as the root', /root directory/, () => [{ name: './', type: '2', linkName: outside() }]],
  ])('%s is refused', async (_, reason, entries) => {
    await expect(unpack(...entries())).rejects.toThrow(/^\[ROOTFS_ARCHIVE_UNSAFE\]/)
    await expect(unpack(...entries())).rejects.toThrow(reason)
  })

  test('a file is not written through a symlink of its name', async () => {
    await unpack({ name: 's', type: '2', linkName: join(outside(), 'victim') }, { name: 's', content: 'x' })
    expect(lstatSync(at('s')).isFile()).toBe(true)
  })
  test('a directory of a symlink’s name replaces it', async () => {
    await unpack({ name: 's', type: '2', linkName: outside() }, { name: 's/', type: '5' }, { name: 's/new' })
    expect(readdirSync(at('s'))).toEqual(['new'])
  })
})

test('limits bind', async () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(1000) }, { name: 'b' }])
  await expect(unpackBytes(tar, { bytes: 4095, entries: 9 })).rejects.toThrow(
    /^\[ROOTFS_TOO_LARGE\].*4095 bytes/,
  )
  await expect(unpackBytes(tar, { bytes: 4096, entries: 1 })).rejects.toThrow(
    /^\[ROOTFS_TOO_LARGE\].*1 entries/,
  )
  await unpackBytes(tar, { bytes: 4096, entries: 2 })
})

test('directories that only paths speak of count', async () => {
  const tar = makeTar([{ name: 'a/b/c/d' }, { name: 'a/b/c/e' }])
  const bytes = 3 * 4096
  await expect(unpackBytes(tar, { bytes, entries: 4 })).rejects.toThrow(/^\[ROOTFS_TOO_LARGE\].*4 entries/)
  await unpackBytes(tar, { bytes, entries: 5 })
  rmSync(at('a'), { recursive: true })
  await expect(unpackBytes(tar, { bytes: bytes - 1, entries: 5 })).rejects.toThrow(/ bytes/)
})

test('names have a bound of their own, all together', () => {
  const budget = new UnpackBudget({ bytes: 1, entries: 1000 })
  const take = (name: string) => budget.take({ type: 'file', size: 0, name })
  const mebibyte = 'n'.repeat(2 ** 20)
  for (let count = 0; count < 256; count++) take(mebibyte)
  expect(() => take('n')).toThrow(/^\[ROOTFS_TOO_LARGE\].*268435456 bytes of names/)
})

test('extended attributes count as content', async () => {
  const tar = makeTar([{ name: 'a', content: 'x', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(99) } }])
  await expect(unpackBytes(tar, { bytes: 8191, entries: 1 })).rejects.toThrow(
    /^\[ROOTFS_TOO_LARGE\].*8191 bytes/,
  )
  await unpackBytes(tar, { bytes: 8192, entries: 1 })
})

test('what is counted before is no less than what is on the disk after', async () => {
  const many = <T>(make: (number: number) => T) => Array.from({ length: 50 }, (_, number) => make(number))
  const [file] = [{ name: 'file', content: 'x'.repeat(5000) }]
  for (const entries of [
    many((number) => ({ name: `${number}/`, type: '5' })),
    many((number) => ({ name: `link-${number}`, type: '2', linkName: '/'.repeat(60) })),
    many((number) => ({ name: `short-${number}`, type: '2', linkName: '/'.repeat(59) })),
    many((number) => ({ name: `small-${number}`, content: 'x' })),
    many((number) => ({ name: `named-${number}`, pax: { [`SCHILY.xattr.user.${'n'.repeat(200)}`]: '' } })),
    [file, ...many((number) => ({ name: `same-${number}`, type: '1', linkName: 'file' }))],
  ]) {
    // Of its own: one that has many names takes another block.
    const target = mkdtempSync(join(root, 'layer-'))
    const before = treeBytes(target)
    const budget = new UnpackBudget({ bytes: 1 << 20, entries: 100 })
    await unpackLayer(chunkSource(pieces(makeTar(entries), 700)), target, 'test', budget)
    expect(budget.bytes).toBeGreaterThanOrEqual(treeBytes(target) - before)
  }
})

test('limits are those of the image, not of each layer', async () => {
  const budget = new UnpackBudget({ bytes: 5000, entries: 9 })
  const layer = (name: string) => {
    const tar = makeTar([{ name, content: 'x'.repeat(1000) }])
    return unpackLayer(chunkSource(pieces(tar, 700)), root, 'test', budget)
  }
  await layer('a')
  await expect(layer('b')).rejects.toThrow(/^\[ROOTFS_TOO_LARGE\].*5000 bytes/)
})

test('a cut archive is an error', () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(1000) }])
  return expect(unpackBytes(tar.subarray(0, 1024))).rejects.toThrow('ends too early')
})
