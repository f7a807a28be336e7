import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { nameUser } from '../acl.double.ts'
import { requireRootsDirectory } from './roots-directory.ts'

const stranger = 1000
let top: string
beforeEach(() => {
  // In a directory of many users.
  top = mkdtempSync(`${tmpdir()}/roots-`)
})
afterEach(() => rmSync(top, { recursive: true }))

/** The reason of the refusal; `root's` when there is none. */
function outcome(path: string): string {
  try {
    requireRootsDirectory(path)
    return "root's"
  } catch (error) {
    return String(error).replace(top, '')
  }
}

test('a directory that root made is root’s, also in /tmp, also before it is there, also by a link', () => {
  mkdirSync(`${top}/run`)
  symlinkSync('run', `${top}/link`)
  const there = [top, `${top}/run`, `${top}/link`, '/']
  const notYet = [`${top}/run/not/yet`, `${top}/link/not-yet`, `${tmpdir()}/roots-not-yet`]
  for (const path of [...there, ...notYet]) expect([path, outcome(path)]).toEqual([path, "root's"])
})

test.each([
  [
    'that a stranger made',
    () => chownSync(`${top}/run`, stranger, 0),
    /^.*UNSAFE\] \/run .*owned by uid 1000/,
  ],
  ['in one of a stranger’s', () => chownSync(top, stranger, 0), /UNSAFE\] {1,2}is .*owned by uid 1000/],
  ['that everybody may write to', () => chmodSync(`${top}/run`, 0o1777), /\/run is .*mode 1777/],
  [
    'that a group may write to',
    () => [chownSync(`${top}/run`, 0, 5), chmodSync(`${top}/run`, 0o775)],
    /mode 775/,
  ],
  ['that an access list lets a stranger write to', () => nameUser(`${top}/run`, stranger, 7), /mode 775/],
  ['in one that an access list lets a stranger write to', () => nameUser(top, stranger, 7), /mode 770/],
  ['beside which everybody may write', () => chmodSync(top, 0o777), /mode 777/],
])('one %s is not', (_, change, refusal) => {
  mkdirSync(`${top}/run`)
  change()
  expect(outcome(`${top}/run`)).toMatch(refusal)
})

test('one that an access list lets a stranger read, or root’s group write to, is root’s', () => {
  mkdirSync(`${top}/run`)
  nameUser(`${top}/run`, stranger, 5)
  expect(outcome(`${top}/run`)).toBe("root's")
  mkdirSync(`${top}/group`)
  chmodSync(`${top}/group`, 0o775)
  expect(outcome(`${top}/group`)).toBe("root's")
})

test('nor is one to which a stranger’s link leads, or a link into a stranger’s', () => {
  mkdirSync(`${top}/run`)
  symlinkSync('run', `${top}/link`)
  lchownSync(`${top}/link`, stranger, stranger)
  expect(outcome(`${top}/link`)).toContain('/link is')
  mkdirSync(`${top}/theirs/run`, { recursive: true })
  chownSync(`${top}/theirs`, stranger, stranger)
  symlinkSync(`${top}/theirs/run`, `${top}/into`)
  expect(outcome(`${top}/into`)).toContain('/theirs is')
})
