import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nameUser } from '../../linux/acl.double.ts'
import { isOpenToAll } from './open-to-all.ts'

const stranger = 12345
let dir: string
let images: string
let file: string

beforeEach(() => {
  // /tmp is sticky, and this is root's.
  dir = mkdtempSync(join(tmpdir(), 'kata-ts-open-to-all-'))
  chmodSync(dir, 0o755)
  images = join(dir, 'images')
  mkdirSync(images)
  file = join(images, 'image')
  writeFileSync(file, '')
})
afterEach(() => rmSync(dir, { recursive: true }))

test('a file of root’s that all can read, and links of root’s to it', () => {
  symlinkSync('image', join(images, 'relative'))
  symlinkSync('../images/image', join(images, 'up'))
  symlinkSync(images, join(dir, 'link'))
  symlinkSync(join(dir, 'link/relative'), join(dir, 'twice'))
  for (const path of [
    file,
    join(images, 'relative'),
    join(images, 'up'),
    join(dir, 'link/image'),
    join(dir, 'twice'),
  ])
    expect([path, isOpenToAll(path)]).toEqual([path, true])
})

test('what is not there, is no file or leads round and round is not open', () => {
  symlinkSync('round', join(dir, 'round'))
  for (const path of [join(dir, 'absent'), images, join(file, 'x'), join(dir, 'round'), '/', '/dev/null'])
    expect([path, isOpenToAll(path)]).toEqual([path, false])
})

test('modes: of the file, and of each directory on its way', () => {
  const closed: [string, number][] = [
    [file, 0o640],
    [file, 0o646],
    // Only in a directory does that bit keep others off.
    [file, 0o1646],
    [images, 0o750],
    [images, 0o777],
    [dir, 0o700],
  ]
  for (const [path, mode] of closed) {
    chmodSync(path, mode)
    expect([path, mode, isOpenToAll(file)]).toEqual([path, mode, false])
    chmodSync(path, 0o755)
    expect(isOpenToAll(file)).toBe(true)
  }
  // What a group of root's may write, root may; an entry of a sticky directory is its owner's.
  chmodSync(file, 0o664)
  chmodSync(images, 0o1777)
  expect(isOpenToAll(file)).toBe(true)
  chownSync(file, 0, stranger)
  expect(isOpenToAll(file)).toBe(false)
})

test('access lists: of the file, and of each directory on its way', () => {
  for (const path of [file, images, dir]) {
    nameUser(path, stranger, 5)
    expect([path, isOpenToAll(file)]).toEqual([path, true])
    nameUser(path, stranger, 7)
    expect([path, isOpenToAll(file)]).toEqual([path, false])
    chmodSync(path, 0o755)
    expect([path, isOpenToAll(file)]).toEqual([path, true])
  }
})

test('owners: of the file, of each directory and of each link', () => {
  for (const path of [file, images]) {
    chownSync(path, stranger, 0)
    expect([path, isOpenToAll(file)]).toEqual([path, false])
    chownSync(path, 0, 0)
  }
  const inner = join(dir, 'inner')
  const outer = join(dir, 'outer')
  symlinkSync(file, inner)
  symlinkSync(inner, outer)
  expect(isOpenToAll(outer)).toBe(true)
  lchownSync(inner, stranger, stranger)
  expect(isOpenToAll(outer)).toBe(false)
})

test('a file behind a closed directory is not open by a link that lies outside of it', () => {
  const link = join(dir, 'link')
  symlinkSync(file, link)
  expect(isOpenToAll(link)).toBe(true)
  chmodSync(images, 0o700)
  expect(isOpenToAll(link)).toBe(false)
})
