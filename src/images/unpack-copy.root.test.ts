/** A container that lies about its files gets nothing of the host written. */
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
import { makeTar, type TestEntry } from './testing.ts'
import { unpackCopy } from './unpack-copy.ts'

let base: string
let root: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-copy-')
  root = `${base}/root`
  mkdirSync(root, { mode: 0o700 })
  writeFileSync(`${base}/secret`, 'before')
})
afterEach(() => rmSync(base, { recursive: true }))

async function* pieces(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}
const unpack = async (...entries: TestEntry[]) => {
  const limits = { bytes: 1 << 20, entries: 100 }
  const copy = await unpackCopy(pieces(makeTar(entries)), root, { container: 'c', limits })
  copy.finish()
  return copy.leftOut
}

test('files, directories and links come as they are, but belong to the person', async () => {
  const secret = statSync(`${base}/secret`)
  const leftOut = await unpack(
    { name: './app/', type: '5', mode: 0o555 },
    {
      name: './app/run',
      content: 'program',
      mode: 0o4755,
      uid: 1234,
      pax: { 'SCHILY.xattr.user.note': 'x' },
    },
    { name: './app/same', type: '1', linkName: './app/run' },
    { name: './app/link', type: '2', linkName: `${base}/secret`, mode: 0o666 },
    { name: './app/null', type: '3' },
    { name: './app/sda', type: '4' },
    { name: './app/pipe', type: '6' },
  )
  expect(readFileSync(`${root}/app/run`, 'utf8')).toBe('program')
  const { mode, uid, gid, nlink } = lstatSync(`${root}/app/run`)
  expect({ mode: mode & 0o7777, uid, gid, nlink }).toEqual({ mode: 0o755, uid: 0, gid: 0, nlink: 2 })
  expect(lstatSync(`${root}/app`).mode & 0o7777).toBe(0o555)
  expect(lstatSync(`${root}/app/link`)).toMatchObject({ mtimeMs: 1e12 })
  expect(readlinkSync(`${root}/app/link`)).toBe(`${base}/secret`)
  expect(statSync(`${base}/secret`)).toEqual(secret)
  expect(readdirSync(`${root}/app`).sort()).toEqual(['link', 'run', 'same'])
  expect(leftOut).toEqual(['./app/null', './app/sda', './app/pipe'])
})

test('nobody else may enter it, whatever the stream says of it, nor a directory that is not finished', async () => {
  const entries = [
    { name: './', type: '5', mode: 0o777 },
    { name: './open/', type: '5', mode: 0o777 },
  ]
  const copy = await unpackCopy(pieces(makeTar(entries)), root, { container: 'c' })
  const modes = () => [root, `${root}/open`].map((path) => lstatSync(path).mode & 0o7777)
  expect(modes()).toEqual([0o700, 0o700])
  copy.finish()
  expect(modes()).toEqual([0o700, 0o777])
})

const link = (target: string) => ({ name: 'd', type: '2', linkName: target })

describe('refused, with nothing written outside', () => {
  test.each<[string, (base: string) => TestEntry[], string]>([
    ['a path that leads upwards', () => [{ name: '../secret', content: 'x' }], 'leads upwards'],
    [
      'one in its middle',
      () => [
        { name: 'a/', type: '5' },
        { name: 'a/../../secret', content: 'x' },
      ],
      'leads upwards',
    ],
    ['a way through a link', (dir) => [link(dir), { name: 'd/secret', content: 'x' }], 'no directory'],
    ['a directory in the place of a link', (dir) => [link(dir), { name: 'd/', type: '5' }], 'there twice'],
    [
      'a file in the place of a link',
      (dir) => [link(`${dir}/secret`), { name: 'd', content: 'x' }],
      'there twice',
    ],
    ['a hard link upwards', () => [{ name: 'h', type: '1', linkName: '../secret' }], 'leads upwards'],
    ['a hard link to the host', () => [{ name: 'h', type: '1', linkName: '/secret' }], 'was not copied'],
    [
      'a hard link through a link',
      (dir) => [link(dir), { name: 'h', type: '1', linkName: 'd/secret' }],
      'no directory',
    ],
    [
      'a hard link to a link',
      (dir) => [link(`${dir}/secret`), { name: 'h', type: '1', linkName: 'd' }],
      'was not copied',
    ],
    ['a file in a directory that is not there', () => [{ name: 'a/b', content: 'x' }], 'not in the stream'],
    ['a file in the place of all', () => [{ name: './', content: 'x' }], 'the place of all'],
    [
      'a name that is too long',
      () => [{ name: 'x', content: '', pax: { path: 'n'.repeat(256) } }],
      'its name is too long',
    ],
    ['a name with a NUL byte', () => [{ name: 'x', pax: { path: 'x\0y' } }], 'holds a NUL byte'],
    ['a link to nothing', () => [{ name: 'l', type: '2' }], 'link to nothing'],
    [
      'a link to a name with a NUL byte',
      () => [{ name: 'l', type: '2', pax: { linkpath: 'x\0y' } }],
      'link to nothing',
    ],
  ])('%s', async (_, entries, reason) => {
    const message = expect.stringContaining(reason)
    await expect(unpack(...entries(base))).rejects.toMatchObject({ code: 'COPY_UNSAFE', message })
    expect(readFileSync(`${base}/secret`, 'utf8')).toBe('before')
    expect(lstatSync(`${base}/secret`).nlink).toBe(1)
    expect(readdirSync(base).sort()).toEqual(['root', 'secret'])
  })

  test('an absolute path means the root of the copy', async () => {
    await unpack({ name: `${base.split('/').at(-1)}`, content: 'x' }, { name: '/secret', content: 'x' })
    expect(existsSync(`${root}/secret`)).toBe(true)
    expect(readFileSync(`${base}/secret`, 'utf8')).toBe('before')
  })

  test('a stream without end', async () => {
    const many = Array.from({ length: 101 }, (_, index) => ({ name: `f${index}`, content: '' }))
    await expect(unpack(...many)).rejects.toThrow('[COPY_FAILED]')
    await expect(unpack({ name: 'big', content: 'x'.repeat((1 << 20) + 1) })).rejects.toThrow('[COPY_FAILED]')
  })
})

test('a stream that goes on behind its end is not read for ever', async () => {
  async function* endless() {
    yield makeTar([{ name: 'a', content: 'x' }])
    for (;;) yield Buffer.alloc(100_000)
  }
  await expect(unpackCopy(endless(), root, { container: 'c' })).rejects.toThrow('goes on behind its end')
})

test('what is no tar is told', async () => {
  const noise = pieces(Buffer.alloc(2000, 'x'))
  await expect(unpackCopy(noise, root, { container: 'c' })).rejects.toThrow(
    '[COPY_FAILED] the copy failed in container c',
  )
  expect(readdirSync(root)).toEqual([])
})

/** The positive control: these streams do harm where nobody looks at them. */
test.each<[string, (base: string) => TestEntry[]]>([
  ['a path that leads upwards', () => [{ name: '../secret', content: 'after' }]],
  ['a way through a link', (dir) => [link(dir), { name: 'd/secret', content: 'after' }]],
])('tar that trusts its input writes outside by %s', async (_, entries) => {
  writeFileSync(`${base}/evil.tar`, makeTar(entries(base)))
  await Bun.spawn(['tar', '-xPf', `${base}/evil.tar`, '-C', root], { stderr: 'ignore' }).exited
  expect(readFileSync(`${base}/secret`, 'utf8')).toBe('after')
})
