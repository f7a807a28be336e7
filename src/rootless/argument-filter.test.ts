import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { argumentFilter } from './argument-filter.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/filter-`)
  writeFileSync(`${directory}/filter`, argumentFilter())
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Errno of a system call made by perl, 0 when it succeeded; a child made by clone ends at once. */
function call(text: string, filter: boolean): number {
  const code = `$r = syscall(${text}); exit 0 if $r == 0 && ${text.startsWith('56') ? 1 : 0}; print $r == -1 ? 0+$! : 0`
  const setpriv = filter ? ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/filter`] : []
  return Number(Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code]).stdout.toString())
}

describe('argument filter', () => {
  test.each([
    ['clone into a user namespace', '56, 0x10000011, 0, 0, 0, 0', 1],
    ['clone into a network namespace', '56, 0x40000011, 0, 0, 0, 0', 1],
    ['unshare into a user namespace', '272, 0x10000000', 38],
    ['a vsock socket', '41, 40, 1, 0', 97],
    ['a packet socket', '41, 17, 3, 0', 97],
    ['a netlink socket', '41, 16, 3, 0', 97],
  ])('%s is refused', (_, text, errno) => {
    expect({ filtered: call(text, true), free: call(text, false) }).toEqual({ filtered: errno, free: 0 })
  })

  test('a pair of netlink sockets is refused before netlink is asked', () => {
    const pair = '53, 16, 3, 0, $b = "\\0" x 8'
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

  test.each([
    ['clone as a fork', '56, 17, 0, 0, 0, 0'],
    ['unshare of the working directory', '272, 0x200'],
    ['a unix socket', '41, 1, 1, 0'],
    ['an internet socket', '41, 2, 1, 0'],
  ])('%s is not', (_, text) => {
    expect(call(text, true)).toBe(0)
  })
})
