import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { SyscallPolicy } from '../jail/launch-spec.ts'
import { baseSyscalls, processSyscalls } from './base-syscalls.ts'
import { syscallFilter } from './syscall-filter.ts'

const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]
const isRoot = process.getuid?.() === 0
let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/filter-`)
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Errno of a system call made by perl, 0 when it succeeded; a child made by it ends at once. */
function call(text: string, policy?: SyscallPolicy): number {
  if (policy !== undefined) writeFileSync(`${directory}/filter`, syscallFilter(policy))
  const code = `$b = "\\0" x 4096; $p = $$; $r = syscall(${text}); exit 0 if $$ != $p; print $r == -1 ? 0+$! : 0`
  const setpriv = policy === undefined ? [] : ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/filter`]
  const { exitCode, stdout } = Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code])
  expect(exitCode).toBe(0)
  return Number(stdout.toString())
}
const base: SyscallPolicy = { allowed: baseSyscalls }

describe('the filter of a jail', () => {
  test.each([
    ['clone as a fork', '56, 17, 0, 0, 0, 0', EPERM],
    ['fork', '57', ENOSYS],
    ['a signal of its own for the end of its parent', '157, 1, 0', EPERM],
    ['an internet socket', '41, 2, 1, 0', EAFNOSUPPORT],
    ['a vsock socket', '41, 40, 1, 0', EAFNOSUPPORT],
    ['inotify', '294, 0', ENOSYS],
    ['unshare', '272, 0x200', ENOSYS],
    ['pidfd_open', '434, $$, 0', ENOSYS],
    ['io_setup', '206, 1, $b', ENOSYS],
    ['personality', '135, 0xffffffff', ENOSYS],
  ])('has no %s', (_, text, errno) => {
    expect({ filtered: call(text, base), free: call(text) }).toEqual({ filtered: errno, free: 0 })
  })

  // The control needs root: nobody else may do this without the filter either.
  test.skipIf(!isRoot)('has no setuid', () => {
    const setuid = '105, 0'
    expect({ filtered: call(setuid, base), free: call(setuid) }).toEqual({ filtered: ENOSYS, free: 0 })
  })

  // What the kernel has besides: newer than any list of what is bad would be, or forgotten by it.
  test.each([
    ['unlink', '87, $b'],
    ['mkdir', '83, $b, 0755'],
    ['rename', '82, $b, $b'],
    ['chmod', '90, $b, 0755'],
    ['symlink', '88, $b, $b'],
    ['mknod', '133, $b, 0020666, 0'],
    ['process_vm_readv', '310, -1, 0, 0, 0, 0, 0'],
    ['pidfd_getfd', '438, -1, 0, 0'],
    ['setns', '308, -1, 0'],
    ['bpf', '321, -1, 0, 0'],
    ['keyctl', '250, -1, 0, 0'],
    ['clone3', '435, 0, 0'],
    ['open_tree_attr', '467, -1, 0, 0, 0, 0'],
    ['listmount', '458, 0, 0, 0, 0'],
    ['statmount', '457, 0, 0, 0, 0'],
    ['fsconfig', '431, -1, 0, 0, 0, 0'],
    ['fspick', '433, -1, 0, 0'],
    ['modify_ldt', '154, 9, 0, 0'],
    ['move_pages', '279, 0, 1, 1, 1, 1, 99'],
    ['process_madvise', '440, -1, 0, 0, 0, 0'],
    ['vmsplice', '278, -1, 0, 0, 0'],
    ['io_uring_register', '427, -1, 0, 0, 0'],
    ['a call that no kernel has yet', '600'],
  ])('has no %s', (name, text) => {
    // Control: this kernel has it, whatever it says to these arguments.
    if (!name.includes('no kernel')) expect(call(text)).not.toBe(ENOSYS)
    expect(call(text, base)).toBe(ENOSYS)
  })

  test('has pairs of unix sockets alone: of no other family is even the code reached', () => {
    const pair = (family: number) => `53, ${family}, 1, 0, $b`
    expect(call(pair(1), base)).toBe(0)
    for (const family of [2, 16, 17, 40]) expect(call(pair(family), base)).toBe(EAFNOSUPPORT)
    // Control: outside it is the family itself that says no.
    expect(call(pair(2))).not.toBe(EAFNOSUPPORT)
  })

  test('gives processes and internet sockets to a program that is to have them', () => {
    const more: SyscallPolicy = {
      allowed: [...baseSyscalls, ...processSyscalls],
      processes: true,
      inet: true,
    }
    expect(
      ['56, 17, 0, 0, 0, 0', '57', '41, 2, 1, 0', '41, 10, 1, 0'].map((text) => call(text, more)),
    ).toEqual([0, 0, 0, 0])
    expect(call('56, 0x10000011, 0, 0, 0, 0', more)).toBe(EPERM)
    expect(call('41, 16, 3, 0', more)).toBe(EAFNOSUPPORT)
  })

  test('takes calls by the x32 interface for none', () => {
    expect(call('0x40000000 | 39', base)).toBe(ENOSYS)
  })
})
