import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { busyboxPath, noBusybox } from '../../setup/paths.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { watchOpenFiles } from '../linux/files/open-files.double.ts'
import { mount, unmount } from '../linux/mounts/mount.ts'
import { openImageArchive } from './image-archive.ts'
import { unpackImage } from './layer-cache.ts'
import { makeUpper, type ResolvedRootfs, resolveRootfs, writableOverlay } from './rootfs.ts'
import { makeOciArchive, makeTar, sha256 } from './testing.ts'

let base: string
let cache: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-rootfs-')
  cache = join(base, 'cache')
})
afterEach(() => {
  const decompressing = `${cache}/decompressing`
  const left = existsSync(decompressing) ? readdirSync(decompressing) : []
  rmSync(base, { recursive: true })
  expect(left).toEqual([])
})

const archive = (bytes: Buffer) => {
  const path = join(base, 'image.tar')
  writeFileSync(path, bytes)
  return { kind: 'archive', path } as const
}
/** What a container would see. */
function merged<T>(rootfs: ResolvedRootfs, look: (root: string) => T, name = 'c'): T {
  const directory = join(base, name)
  mkdirSync(join(directory, 'root'), { recursive: true })
  makeUpper(rootfs.lowerDirs, directory)
  const { type, source, options } = writableOverlay(rootfs.lowerDirs, directory)
  const target = join(directory, 'root')
  mount({ source, target, type, data: options.join(',') })
  try {
    return look(target)
  } finally {
    unmount(target)
  }
}
const lower = makeTar([
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/a', content: 'lower' },
  { name: 'etc/b', content: 'lower' },
  { name: 'opt/', type: '5', mode: 0o755 },
  { name: 'opt/old', content: 'lower' },
])
const upper = makeTar([
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/.wh.a' },
  { name: 'etc/b', content: 'upper' },
  { name: 'opt/', type: '5', mode: 0o755 },
  { name: 'opt/.wh..wh..opq' },
  { name: 'opt/new', content: 'upper' },
])

/** What pzstd(1) begins with, and anybody may put between frames. */
const skippable = Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.from('size')])

test('Zstandard that begins with a frame to be skipped, as an archive and as a layer', async () => {
  const stored = Buffer.concat([skippable, zstdCompressSync(lower)])
  const whole = makeOciArchive([{ tar: lower, stored }])
  for (const bytes of [whole, Buffer.concat([skippable, zstdCompressSync(whole)])]) {
    const { lowerDirs } = await resolveRootfs(archive(bytes), cache)
    expect(readFileSync(`${lowerDirs[0]}/etc/a`, 'utf8')).toBe('lower')
    rmSync(cache, { recursive: true })
  }
})

test.each([
  ['xz', 'fd377a585a0000'],
  ['bzip2', '425a6839314159265359'],
])('an archive in %s is told to be decompressed first', async (name, magic) => {
  await expect(resolveRootfs(archive(Buffer.from(magic.padEnd(2048, '0'), 'hex')), cache)).rejects.toThrow(
    `[ROOTFS_ARCHIVE_INVALID] ${base}/image.tar is not a usable image archive: it is compressed with ${name}, which is not read; decompress it (${name} -dc)`,
  )
})

test('an OCI archive: gzip in two members and zstd, whiteouts, configuration', async () => {
  const half = 700
  const gzip = Buffer.concat([gzipSync(lower.subarray(0, half)), gzipSync(lower.subarray(half))])
  const config = {
    Entrypoint: ['/e'],
    Cmd: ['c'],
    Env: ['A=b', 'bad'],
    WorkingDir: '/w',
    User: 'u:g',
    StopSignal: 'SIGQUIT',
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000, Timeout: 0, Retries: 2 },
  }
  const layers = [
    { tar: lower, stored: gzip },
    { tar: upper, stored: Buffer.from(zstdCompressSync(upper)) },
  ]
  const rootfs = await resolveRootfs(archive(makeOciArchive(layers, config)), cache)
  expect(rootfs.config).toEqual({
    entrypoint: ['/e'],
    cmd: ['c'],
    env: ['A=b'],
    workingDir: '/w',
    user: 'u:g',
    stopSignal: 'SIGQUIT',
    healthcheck: { test: ['CMD-SHELL', 'true'], intervalMs: 5000, retries: 2 },
  })
  merged(rootfs, (root) => {
    expect(readdirSync(`${root}/etc`)).toEqual(['b'])
    expect(readFileSync(`${root}/etc/b`, 'utf8')).toBe('upper')
    expect(readdirSync(`${root}/opt`)).toEqual(['new'])
  })
})

test('a docker archive without an OCI index, its second layer a link to the first file', async () => {
  const config = Buffer.from(
    JSON.stringify({ config: { Cmd: ['x'] }, rootfs: { diff_ids: [sha256(lower), sha256(lower)] } }),
  )
  const bytes = makeTar([
    { name: 'config.json', content: config },
    { name: '1/layer.tar', content: lower },
    { name: '2/layer.tar', type: '2', linkName: '../1/layer.tar' },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'config.json', Layers: ['1/layer.tar', '2/layer.tar'] }]),
    },
  ])
  const rootfs = await resolveRootfs(archive(bytes), cache)
  expect(rootfs.config.cmd).toEqual(['x'])
  merged(rootfs, (root) => expect(readFileSync(`${root}/etc/a`, 'utf8')).toBe('lower'))
})

test('an archive made by tar(1) from real files', async () => {
  const tree = join(base, 'tree')
  mkdirSync(join(tree, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true })
  writeFileSync(join(tree, 'd'.repeat(90), 'e'.repeat(90), 'f'), 'deep')
  for (const format of ['gnu', 'pax', 'ustar']) {
    const tar = Bun.spawnSync(['tar', `--format=${format}`, '-C', tree, '-c', '.']).stdout
    const rootfs = await resolveRootfs(archive(makeOciArchive([{ tar: Buffer.from(tar) }])), cache)
    const path = `${'d'.repeat(90)}/${'e'.repeat(90)}/f`
    merged(rootfs, (root) => expect(readFileSync(`${root}/${path}`, 'utf8')).toBe('deep'), format)
  }
})

test('a layer that is there already is not unpacked again', async () => {
  const source = archive(makeOciArchive([{ tar: lower }, { tar: upper }]))
  const first = await resolveRootfs(source, cache)
  const inodes = first.lowerDirs.map((path) => lstatSync(path).ino)
  const second = await resolveRootfs(source, cache)
  expect(second.lowerDirs.map((path) => lstatSync(path).ino)).toEqual(inodes)
})

test('several at once make one', async () => {
  const source = archive(makeOciArchive([{ tar: lower }]))
  const all = await Promise.all([1, 2, 3].map(() => resolveRootfs(source, cache)))
  expect(new Set(all.map(({ lowerDirs }) => lowerDirs.join())).size).toBe(1)
  expect(readdirSync(`${cache}/layers`)).toHaveLength(1)
})

test.each<[string, string, () => Buffer]>([
  [
    'a layer with another content than its digest',
    'ROOTFS_DIGEST_MISMATCH',
    () => {
      const stored = gzipSync(lower)
      return makeOciArchive([{ tar: lower, stored }], {}, (files) =>
        files.set(`blobs/sha256/${sha256(stored).slice(7)}`, gzipSync(upper)),
      )
    },
  ],
  [
    'a layer that is the same one, stored otherwise than its digest says',
    'ROOTFS_DIGEST_MISMATCH',
    () => {
      const stored = gzipSync(lower)
      return makeOciArchive([{ tar: lower, stored }], {}, (files) =>
        files.set(`blobs/sha256/${sha256(stored).slice(7)}`, gzipSync(lower, { level: 1 })),
      )
    },
  ],
  ...['"rootfs"', '"layers"'].map((mark): [string, string, () => Buffer] => [
    `the document with ${mark} that is another one than its digest says`,
    'ROOTFS_DIGEST_MISMATCH',
    () =>
      makeOciArchive([{ tar: lower }], {}, (files) => {
        const name = [...files.keys()].find(
          (key) => key.startsWith('blobs/') && `${files.get(key)}`.includes(mark),
        )!
        files.set(name, Buffer.from(`${files.get(name)} `))
      }),
  ]),
  [
    'a layer whose uncompressed form is not the recorded one',
    'ROOTFS_DIGEST_MISMATCH',
    () => makeOciArchive([{ tar: lower, stored: gzipSync(upper) }]),
  ],
  [
    'a changed index',
    'ROOTFS_ARCHIVE_INVALID',
    () =>
      makeOciArchive([{ tar: lower }], {}, (files) =>
        files.set('index.json', Buffer.from('{"manifests":[{"digest":"../../x"}]}')),
      ),
  ],
  [
    'another architecture',
    'ROOTFS_ARCHIVE_INVALID',
    () =>
      makeOciArchive([{ tar: lower }], {}, (files) =>
        files.set(
          'index.json',
          Buffer.from(JSON.stringify({ manifests: [{ digest: sha256(lower), platform: { os: 'plan9' } }] })),
        ),
      ),
  ],
  [
    'a missing layer',
    'ROOTFS_ARCHIVE_INVALID',
    () =>
      makeOciArchive([{ tar: lower }], {}, (files) => files.delete(`blobs/sha256/${sha256(lower).slice(7)}`)),
  ],
  [
    'damaged compression',
    'ROOTFS_ARCHIVE_INVALID',
    () => makeOciArchive([{ tar: lower, stored: Buffer.from(gzipSync(lower)).fill(0x55, 20, 60) }]),
  ],
  [
    'a layer that is no tar',
    'ROOTFS_ARCHIVE_INVALID',
    () => makeOciArchive([{ tar: Buffer.alloc(2000, 'x') }]),
  ],
  ['an unsafe layer', 'ROOTFS_ARCHIVE_UNSAFE', () => makeOciArchive([{ tar: makeTar([{ name: '../x' }]) }])],
  [
    'an unsafe layer, compressed, with much behind what is unsafe',
    'ROOTFS_ARCHIVE_UNSAFE',
    () => {
      const tar = makeTar([{ name: '../x' }, { name: 'y', content: 'y'.repeat(8 << 20) }])
      return makeOciArchive([{ tar, stored: gzipSync(tar) }])
    },
  ],
  [
    'a compressed archive that ends early',
    'ROOTFS_ARCHIVE_INVALID',
    () => gzipSync(makeOciArchive([{ tar: lower }])).subarray(0, -20),
  ],
  ['no archive', 'ROOTFS_ARCHIVE_INVALID', () => Buffer.alloc(5000, 'no')],
  ['an empty file', 'ROOTFS_ARCHIVE_INVALID', () => Buffer.alloc(0)],
  [
    'an entry point that is no list',
    'ROOTFS_ARCHIVE_INVALID',
    () => makeOciArchive([{ tar: lower }], { Entrypoint: 'sh' }),
  ],
])('%s is refused and leaves nothing', async (_, code, bytes) => {
  await expect(resolveRootfs(archive(bytes()), cache)).rejects.toThrow(new RegExp(`^\\[${code}\\]`))
  expect(existsSync(`${cache}/layers`) ? readdirSync(`${cache}/layers`) : []).toEqual([])
})

test('a kernel whose overlays note some changes in short by default notes these in full', async () => {
  const { lowerDirs } = await resolveRootfs(archive(makeOciArchive([{ tar: lower }])), cache)
  const directory = join(base, 'c')
  const target = join(directory, 'root')
  mkdirSync(target, { recursive: true })
  makeUpper(lowerDirs, directory)
  const { type, source, options } = writableOverlay(lowerDirs, directory)
  mount({ source, target, type, data: ['redirect_dir=on', 'metacopy=on', ...options].join(',') })
  try {
    chmodSync(`${target}/etc/a`, 0o600)
    // mv(1) copies it then, as across file systems.
    expect(() => renameSync(`${target}/opt`, `${target}/moved`)).toThrow('EXDEV')
  } finally {
    unmount(target)
  }
  expect(readFileSync(`${directory}/upper/etc/a`, 'utf8')).toBe('lower')
})

describe('an image that is no archive file', () => {
  const open = (path: string) => resolveRootfs({ kind: 'archive', path }, cache)
  const content = (rootfs: ResolvedRootfs) => merged(rootfs, (root) => readFileSync(`${root}/etc/b`, 'utf8'))

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('may be compressed as a whole (%s)', async (_, compress) => {
    const { path } = archive(compress(makeOciArchive([{ tar: lower }])))
    const plain = await open(archive(makeOciArchive([{ tar: lower }])).path)
    expect((await open(path)).lowerDirs).toEqual(plain.lowerDirs)
    expect(readdirSync(cache).filter((name) => name.startsWith('.spool'))).toEqual([])
  })

  test('comes through a pipe, whole and slowly, and leaves no file', async () => {
    const filler = makeTar([{ name: 'filler', content: Buffer.alloc(3 << 20, 'x') }])
    const { path } = archive(makeOciArchive([{ tar: lower }, { tar: filler }]))
    makeFifo(`${base}/pipe`)
    const nothingStaysOpen = watchOpenFiles((name) => name.includes('.spool-'))
    const script = 'head -c 700 "$1"; sleep 0.2; tail -c +701 "$1"'
    const writer = Bun.spawn(['sh', '-c', `{ ${script}; } > "$2"`, 'sh', path, `${base}/pipe`])
    expect(content(await open(`${base}/pipe`))).toBe('lower')
    expect(await writer.exited).toBe(0)
    expect(readdirSync(cache)).toEqual(['layers'])
    await nothingStaysOpen()
  })

  test('is refused when nobody writes to its pipe', async () => {
    makeFifo(`${base}/pipe`)
    await expect(open(`${base}/pipe`)).rejects.toThrow(/^\[ROOTFS_MISSING\].*nobody wrote to it/)
  }, 20_000)

  test('is a layout in a directory', async () => {
    const tar = archive(makeOciArchive([{ tar: lower }, { tar: upper, stored: gzipSync(upper) }])).path
    mkdirSync(`${base}/layout`)
    expect(Bun.spawnSync(['tar', '-C', `${base}/layout`, '-xf', tar]).exitCode).toBe(0)
    expect(content(await open(`${base}/layout`))).toBe('upper')
    const [blob = ''] = readdirSync(`${base}/layout/blobs/sha256`)
    rmSync(`${base}/layout/blobs/sha256/${blob}`)
    makeFifo(`${base}/layout/blobs/sha256/${blob}`)
    await expect(open(`${base}/layout`)).rejects.toThrow(`holds no file blobs/sha256/${blob}`)
  })

  test('is a layout of files that are in its directory: a link on the way to one leads nowhere', async () => {
    const tar = archive(makeOciArchive([{ tar: upper }])).path
    mkdirSync(`${base}/layout`)
    expect(Bun.spawnSync(['tar', '-C', `${base}/layout`, '-xf', tar]).exitCode).toBe(0)
    renameSync(`${base}/layout/blobs`, `${base}/blobs`)
    symlinkSync(`${base}/blobs`, `${base}/layout/blobs`)
    const why = /holds no file blobs\/sha256\/[0-9a-f]{64}: a symbolic link leads there, and none is followed/
    await expect(open(`${base}/layout`)).rejects.toThrow(why)
    rmSync(`${base}/layout/blobs`)
    renameSync(`${base}/blobs`, `${base}/layout/blobs`)
    const nothingStaysOpen = watchOpenFiles((name) => name.includes('/layout'))
    expect(content(await open(`${base}/layout`))).toBe('upper')
    await nothingStaysOpen()
  })

  test.each([
    ['/etc', 'ROOTFS_ARCHIVE_INVALID', 'without an index.json'],
    ['/dev/null', 'ROOTFS_MISSING', 'neither a file nor a pipe'],
  ])('%s is refused by what it is', async (path, code, reason) => {
    await expect(open(path)).rejects.toThrow(new RegExp(`^\\[${code}\\].*${reason}`))
  })
})

test('a decompression bomb stops at the limit', async () => {
  const tar = makeTar([{ name: 'zeros', content: Buffer.alloc(4 << 20) }])
  using image = await openImageArchive(archive(makeOciArchive([{ tar, stored: gzipSync(tar) }])).path, cache)
  await expect(unpackImage(image, cache, { bytes: 1 << 20, entries: 9 })).rejects.toThrow(
    /^\[ROOTFS_TOO_LARGE\]/,
  )
  expect(readdirSync(`${cache}/layers`)).toEqual([])
})

test('what follows the end of a layer is bounded, too', async () => {
  const unpack = async (after: number) => {
    const tar = Buffer.concat([lower, Buffer.alloc(after)])
    using image = await openImageArchive(archive(makeOciArchive([{ tar }])).path, cache)
    return (await unpackImage(image, cache, { bytes: 1 << 20, entries: 9 })).length
  }
  expect(await unpack(1 << 20)).toBe(1)
  await expect(unpack(3 << 20)).rejects.toThrow(/^\[ROOTFS_ARCHIVE_INVALID\].*too much after its end/)
})

test('an image has at most 500 layers, and documents of 8 MiB', async () => {
  const opened = async (bytes: Buffer) => {
    using image = await openImageArchive(archive(bytes).path, cache)
    return image.layers.length
  }
  const layers = (count: number) => makeOciArchive(Array.from({ length: count }, () => ({ tar: lower })))
  expect(await opened(layers(500))).toBe(500)
  await expect(opened(layers(501))).rejects.toThrow(/^\[ROOTFS_TOO_LARGE\].*500 layers/)
  const index = (bytes: number) =>
    makeOciArchive([{ tar: lower }], {}, (files) => {
      const text = files.get('index.json')!
      files.set('index.json', Buffer.concat([text, Buffer.alloc(bytes - text.length, ' ')]))
    })
  expect(await opened(index(8 << 20))).toBe(1)
  await expect(opened(index((8 << 20) + 1))).rejects.toThrow(/^\[ROOTFS_TOO_LARGE\].*8388608 bytes/)
})

test('a digest that is a path leads to no file of the host', async () => {
  mkdirSync(`${base}/layout/blobs/sha256`, { recursive: true })
  writeFileSync(`${base}/secret`, '{}')
  const digest = 'sha256:../../../secret'
  writeFileSync(`${base}/layout/index.json`, JSON.stringify({ manifests: [{ digest }] }))
  await expect(resolveRootfs({ kind: 'archive', path: `${base}/layout` }, cache)).rejects.toThrow(
    `${digest} is not a SHA-256 digest`,
  )
})

test('a directory is used as it is and never written to, whatever its name', async () => {
  const path = join(base, 'a:b,c\\d')
  mkdirSync(path)
  writeFileSync(join(path, 'f'), 'lower')
  const rootfs = await resolveRootfs({ kind: 'directory', path }, cache)
  merged(rootfs, (root) => {
    expect(readFileSync(`${root}/f`, 'utf8')).toBe('lower')
    writeFileSync(`${root}/f`, 'changed')
    rmSync(`${root}/f`)
  })
  expect(readFileSync(join(path, 'f'), 'utf8')).toBe('lower')
})

test('a directory behind a link that a pod may have made is refused', async () => {
  symlinkSync('/etc', join(base, 'link'))
  const behind = resolveRootfs({ kind: 'directory', path: join(base, 'link') }, cache)
  await expect(behind).rejects.toThrow(/^\[SOURCE_LINK\].*\/link in its path/)
})

test('what is no directory or no file is a coded error', async () => {
  for (const path of [join(base, 'none'), '/', '/etc/passwd'])
    await expect(resolveRootfs({ kind: 'directory', path }, cache)).rejects.toThrow(/^\[ROOTFS_MISSING\]/)
  const missing = { kind: 'archive', path: join(base, 'none') } as const
  await expect(resolveRootfs(missing, cache)).rejects.toThrow(/^\[ROOTFS_MISSING\].*ENOENT/)
})

test.skipIf(noBusybox !== '')(
  `the embedded root file system runs, and what a killed attempt left is removed${noBusybox}`,
  async () => {
    const busybox = { kind: 'embedded', busybox: readFileSync(busyboxPath) } as const
    const left = `${cache}/rootfs/.making-4194305-x`
    mkdirSync(left, { recursive: true })
    const [rootfs, again] = await Promise.all([resolveRootfs(busybox, cache), resolveRootfs(busybox, cache)])
    expect(again).toEqual(rootfs)
    expect(existsSync(left)).toBe(false)
    merged(rootfs, (root) => {
      const { stdout } = Bun.spawnSync([
        'chroot',
        root,
        '/bin/sh',
        '-c',
        'id -un; echo x | /usr/bin/wc -l; ls -ld /tmp',
      ])
      expect(stdout.toString()).toMatch(/^root\n1\ndrwxrwxrwt/)
    })
  },
)

test('busybox that does not run is a coded error and leaves nothing', async () => {
  const broken = { kind: 'embedded', busybox: Buffer.from('#!/bin/false\n') } as const
  await expect(resolveRootfs(broken, cache)).rejects.toThrow(/^\[ROOTFS_UNPACK_FAILED\]/)
  expect(readdirSync(`${cache}/rootfs`)).toEqual([])
})

test('what is wrong in a document of an image is told by its field', async () => {
  const wrong = archive(makeOciArchive([{ tar: lower }], { Env: ['A=b', 5] }))
  await expect(resolveRootfs(wrong, cache)).rejects.toThrow(
    /^\[ROOTFS_ARCHIVE_INVALID\].*blobs\/sha256\/[0-9a-f]{64}: config\.Env\[1\]: expected a string, is a number/,
  )
  const index = archive(
    makeOciArchive([{ tar: lower }], {}, (files) => files.set('index.json', Buffer.from('{"manifests":5}'))),
  )
  await expect(resolveRootfs(index, cache)).rejects.toThrow(
    'index.json: manifests: expected a list, is a number',
  )
})

test('an archive of several images is asked for one of them by its tag', async () => {
  const documents = ['one', 'two'].map((name) => ({
    name: `${name}.json`,
    content: JSON.stringify({ config: { Cmd: [name] }, rootfs: { diff_ids: [sha256(lower)] } }),
  }))
  const manifest = documents.map(({ name }, index) => ({
    Config: name,
    Layers: ['layer.tar'],
    RepoTags: [`app:${index}`],
  }))
  const { path } = archive(
    makeTar([
      ...documents,
      { name: 'layer.tar', content: lower },
      { name: 'manifest.json', content: JSON.stringify(manifest) },
    ]),
  )
  const open = (name?: string) =>
    resolveRootfs({ kind: 'archive', path, ...(name === undefined ? {} : { name }) } as never, cache)
  await expect(open()).rejects.toMatchObject({
    code: 'ROOTFS_ARCHIVE_TAG',
    fields: { path, problem: 'holds several images', tags: 'app:0, app:1' },
    remedy: expect.stringContaining('--image FILE:TAG'),
  })
})
