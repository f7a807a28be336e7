import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nameUser } from '../../linux/acl.double.ts'
import { findDropIns } from './drop-ins.ts'

const [stranger, author] = [12345, 12346]
let dir: string
let main: string
let directory: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-ts-drop-ins-'))
  chmodSync(dir, 0o1777)
  main = join(dir, 'x.toml')
  directory = join(dir, 'config.d')
  writeFileSync(main, '')
  mkdirSync(directory)
  writeFileSync(join(directory, '1'), 'a = 1')
})
afterEach(() => rmSync(dir, { recursive: true }))

const read = () => findDropIns(main).map((readOne) => readOne().root)
const code = () => {
  try {
    read()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return 'read'
}

test('drop-ins of root and of the author of the main file are read', () => {
  expect(read()).toEqual([{ a: 1n }])
  for (const path of [main, directory, join(directory, '1')]) chownSync(path, author, author)
  expect(read()).toEqual([{ a: 1n }])
})

test('a stranger’s directory beside a file in /tmp is refused, even without a file in it', () => {
  chownSync(directory, stranger, stranger)
  expect(code()).toBe('CONFIG_UNSAFE')
  rmSync(join(directory, '1'))
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('a stranger’s file, and a link to it, are refused', () => {
  const foreign = join(dir, 'foreign')
  writeFileSync(foreign, 'a = 2')
  symlinkSync(foreign, join(directory, '2'))
  expect(read()).toEqual([{ a: 1n }, { a: 2n }])
  chownSync(foreign, stranger, stranger)
  expect(code()).toBe('CONFIG_UNSAFE')
  rmSync(join(directory, '2'))
  chownSync(join(directory, '1'), stranger, stranger)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('a stranger’s link to a directory of root’s is refused', () => {
  rmSync(directory, { recursive: true })
  const other = join(dir, 'other')
  mkdirSync(other)
  symlinkSync(other, directory)
  expect(read()).toEqual([])
  lchownSync(directory, stranger, stranger)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('a link of root’s to a stranger’s directory is refused', () => {
  rmSync(directory, { recursive: true })
  const other = join(dir, 'other')
  mkdirSync(other)
  symlinkSync(other, directory)
  expect(read()).toEqual([])
  chownSync(other, stranger, stranger)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('what another group may write to is refused, and is told so', () => {
  for (const path of [directory, join(directory, '1')]) {
    const before = statSync(path).mode
    chownSync(path, 0, author)
    chmodSync(path, before | 0o020)
    expect(read).toThrow(`configuration file ${main}, and group ${author} may write to it`)
    // What a group of root's may write, root may.
    chownSync(path, 0, 0)
    expect(read()).toEqual([{ a: 1n }])
    chmodSync(path, before)
  }
})

test('a group that may write the main file decides all of it already', () => {
  chownSync(main, 0, author)
  chmodSync(main, 0o664)
  chownSync(directory, 0, author)
  chmodSync(directory, 0o775)
  expect(read()).toEqual([{ a: 1n }])
  chmodSync(main, 0o644)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('what an access list lets a stranger write to is refused, and is told so', () => {
  for (const path of [directory, join(directory, '1')]) {
    nameUser(path, stranger, 5)
    expect(read()).toEqual([{ a: 1n }])
    nameUser(path, stranger, 7)
    expect(read).toThrow(`configuration file ${main}, and its access list lets others write to it`)
    chmodSync(path, 0o755)
    expect(read()).toEqual([{ a: 1n }])
  }
  // Of the directory that a link leads to.
  const other = join(dir, 'other')
  renameSync(directory, other)
  symlinkSync(other, directory)
  expect(read()).toEqual([{ a: 1n }])
  nameUser(other, stranger, 7)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('a group that may not write the main file, but for the mask of its access list, decides nothing', () => {
  chownSync(main, 0, author)
  nameUser(main, stranger, 6)
  chownSync(directory, 0, author)
  chmodSync(directory, 0o775)
  expect(code()).toBe('CONFIG_UNSAFE')
})

test('what everybody may write to is refused, and is told so', () => {
  for (const path of [directory, join(directory, '1')]) {
    const before = statSync(path).mode
    chmodSync(path, before | 0o002)
    expect(read).toThrow(
      `[CONFIG_UNSAFE] ${path} would be read together with configuration file ${main}, and everybody`,
    )
    chmodSync(path, before)
    expect(read()).toEqual([{ a: 1n }])
  }
})
