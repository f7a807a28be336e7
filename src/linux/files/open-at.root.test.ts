/** What an open refuses on the way, by its errno, each beside the same open without that rule. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { SyscallError } from '../libc.ts'
import { mount, unmountBelow } from '../mounts/mount.ts'
import { closing, O_PATH, openAt, openDirectoryAt, resolve } from './open-at.ts'

let base: string
let from: number
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/open-at-`)
  // What is mounted here goes at once, with all that is in it.
  mount({ source: 'none', target: base, type: 'tmpfs' })
  for (const path of ['top', 'top/real', 'top/mounted', 'outside']) mkdirSync(`${base}/${path}`)
  writeFileSync(`${base}/top/file`, '')
  symlinkSync('real', `${base}/top/link`)
  symlinkSync('../outside', `${base}/top/up`)
  symlinkSync(`${base}/outside`, `${base}/top/absolute`)
  mount({ source: 'none', target: `${base}/top/mounted`, type: 'tmpfs' })
  from = openSync(`${base}/top`, constants.O_RDONLY | constants.O_DIRECTORY)
})
afterEach(() => {
  closeSync(from)
  unmountBelow(base)
  rmdirSync(base)
})

/** The errno, or `inside` and `outside` by what was opened. */
function outcome(open: () => number): string {
  try {
    return closing(open(), (fd) =>
      fstatSync(fd).ino === statSync(`${base}/outside`).ino ? 'outside' : 'inside',
    )
  } catch (error) {
    if (error instanceof SyscallError) return error.errno
    throw error
  }
}

test.each<[keyof typeof resolve, string, string, string]>([
  ['noXdev', 'mounted', 'inside', 'EXDEV'],
  ['noSymlinks', 'link', 'inside', 'ELOOP'],
  ['noMagiclinks', '/proc/self/cwd', 'inside', 'ELOOP'],
  ['beneath', '../outside', 'outside', 'EXDEV'],
  ['beneath', 'up', 'outside', 'EXDEV'],
  ['beneath', 'absolute', 'outside', 'EXDEV'],
  // Nothing is above, so there is no such name in it.
  ['inRoot', '../outside', 'outside', 'ENOENT'],
  ['inRoot', 'up', 'outside', 'ENOENT'],
])('%s: %s is %s without it, and %s with it', (rule, path, without, refused) => {
  expect(outcome(() => openAt(from, path, O_PATH, 0))).toBe(without)
  expect(outcome(() => openAt(from, path, O_PATH, resolve[rule]))).toBe(refused)
})

test.each([
  ['real', 'inside'],
  ['link', 'ENOTDIR'],
  ['up', 'ENOTDIR'],
  ['absolute', 'ENOTDIR'],
  ['link/.', 'ELOOP'],
  ['mounted', 'EXDEV'],
  ['file', 'ENOTDIR'],
  ['..', 'EXDEV'],
  ['../outside', 'EXDEV'],
  ['none', 'ENOENT'],
])('as a directory of an open one, %s is %s', (name, expected) => {
  expect(outcome(() => openDirectoryAt(from, name))).toBe(expected)
})

test('a name with a NUL byte is none, rather than what stands before it', () => {
  expect(outcome(() => openDirectoryAt(from, 'real\0x'))).toBe('EINVAL')
  expect(outcome(() => openAt(from, 'file\0x', O_PATH, 0))).toBe('EINVAL')
})

test('what is opened is not for programs that are started meanwhile', () => {
  const O_CLOEXEC = 0o2000000
  closing(openAt(from, 'real', O_PATH, 0), (fd) => {
    const flags = /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
    expect(Number.parseInt(flags ?? '', 8) & O_CLOEXEC).toBe(O_CLOEXEC)
  })
})
