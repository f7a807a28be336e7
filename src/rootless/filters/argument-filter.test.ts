import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { argumentFilter, setIdFilter } from './argument-filter.ts'

const isRoot = process.getuid?.() === 0
let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/filter-`)
  writeFileSync(`${directory}/filter`, argumentFilter())
  writeFileSync(`${directory}/set-id`, setIdFilter())
  writeFileSync(`${directory}/file`, '')
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Errno of a system call made by perl, 0 when it succeeded; a child made by clone ends at once. */
function call(text: string, filter: boolean | string): number {
  const names = `($dir, $file, $new) = map { "${directory}$_" } '', '/file', '/new'; open(F, '<', $file)`
  const code = `${names}; $r = syscall(${text}); exit 0 if $r == 0 && ${text.startsWith('56') ? 1 : 0}; print $r == -1 ? 0+$! : 0`
  const setpriv = filter
    ? ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/${filter === true ? 'filter' : filter}`]
    : []
  return Number(Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code]).stdout.toString())
}

describe('argument filter', () => {
  test.each([
    ['clone into a user namespace', '56, 0x10000011, 0, 0, 0, 0', 1],
    ['unshare into a user namespace', '272, 0x10000000', 38],
    ['a vsock socket', '41, 40, 1, 0', 97],
    ['a netlink socket', '41, 16, 3, 0', 97],
  ])('%s is refused', (_, text, errno) => {
    expect({ filtered: call(text, true), free: call(text, false) }).toEqual({ filtered: errno, free: 0 })
  })

  // The control of these needs root: nobody else may make them without the filter either.
  test.skipIf(!isRoot).each([
    ['clone into a network namespace', '56, 0x40000011, 0, 0, 0, 0', 1],
    ['a packet socket', '41, 17, 3, 0', 97],
  ])('%s is refused', (_, text, errno) => {
    expect({ filtered: call(text, true), free: call(text, false) }).toEqual({ filtered: errno, free: 0 })
  })

  test.each([
    ['internet', 2, 1],
    ['netlink', 16, 3],
  ])('a pair of %s sockets is refused before the family is asked', (_, family, type) => {
    const pair = `53, ${family}, ${type}, 0, $b = "\\0" x 8`
    const EOPNOTSUPP = 95
    expect({ filtered: call(pair, true), free: call(pair, false) }).toEqual({
      filtered: 97,
      free: EOPNOTSUPP,
    })
  })

  test('clone3 is not there', () => {
    const EINVAL = 22
    expect({ filtered: call('435, 0, 0', true), free: call('435, 0, 0', false) }).toEqual({
      filtered: 38,
      free: EINVAL,
    })
  })

  test('io_uring, which makes sockets without socket(2), is not there', () => {
    const text = '425, 1, 0'
    expect([call(text, true), call(text, 'set-id')]).toEqual([38, 38])
    expect(call(text, false)).not.toBe(38)
  })

  test.each([
    ['add_key', '248, $t = "user", $d = "test", $d, 0, -3'],
    ['request_key', '249, $t = "user", $d = "test", 0, -3'],
    ['keyctl', '250, 6, -3, 0, 0, 0'],
  ])('%s, by which keys of the session are read, is not there', (_, text) => {
    expect([call(text, true), call(text, 'set-id')]).toEqual([38, 38])
    expect(call(text, false)).not.toBe(38)
  })

  test.each([
    ['clone as a fork', '56, 17, 0, 0, 0, 0'],
    ['unshare of the working directory', '272, 0x200'],
    ['a unix socket', '41, 1, 1, 0'],
    ['an internet socket', '41, 2, 1, 0'],
  ])('%s is not', (_, text) => {
    expect(call(text, true)).toBe(0)
  })
})

/** As {@link call}, of a call that makes or changes a file: `$file` is there, `$new` is not. */
function onFile(text: string, filter: boolean | string): number {
  try {
    return call(text, filter)
  } finally {
    rmSync(`${directory}/new`, { force: true })
  }
}

describe('the filter of set-id bits', () => {
  // -100 is AT_FDCWD, 0x80000 O_CLOEXEC, 0x410000 O_TMPFILE; 04755 and so on as perl writes octal numbers.
  test.each([
    ['chmod', '90, $file, 04755'],
    ['chmod of the group bit', '90, $file, 02755'],
    ['fchmod', '91, fileno(F), 04755'],
    ['fchmodat', '268, -100, $file, 04755'],
    ['fchmodat2', '452, -100, $file, 04755, 0'],
    ['mknod', '133, $new, 0104755, 0'],
    ['mknodat', '259, -100, $new, 0104755, 0'],
    ['creat', '85, $new, 04755'],
    ['open', '2, $new, 0101, 04755'],
    ['openat', '257, -100, $new, 0101, 04755'],
    ['a file without a name', '257, -100, $dir, 0x410002, 04755'],
  ])('%s is refused, and free without it', (_, text) => {
    expect(onFile(text, 'set-id')).toBe(1)
    expect(onFile(text, true)).not.toBe(1)
  })

  test.each([
    ['chmod', '90, $file, 01777'],
    ['fchmodat', '268, -100, $file, 0644'],
    ['mknodat', '259, -100, $new, 0100644, 0'],
  ])('%s without the bits is not', (_, text) => {
    expect(onFile(text, 'set-id')).toBe(0)
  })

  test('opening a file that is there does not look at a mode', () => {
    expect(onFile('257, -100, $file, 0, 04755', 'set-id')).not.toBe(1)
  })

  test('openat2, whose arguments lie in memory, is not there', () => {
    const text = '437, -100, $file, 0, 0'
    expect(onFile(text, 'set-id')).toBe(38)
    expect(onFile(text, true)).not.toBe(38)
  })

  test('the rest of the filter stands', () => {
    expect([
      call('41, 40, 1, 0', 'set-id'),
      call('272, 0x10000000', 'set-id'),
      call('41, 1, 1, 0', 'set-id'),
    ]).toEqual([97, 38, 0])
  })
})
