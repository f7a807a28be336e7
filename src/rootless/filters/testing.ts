/** For tests of jails' filters: system calls behind a filter, each beside the same call without one. */
import { expect } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { SyscallPolicy } from '../jail/launch-spec.ts'
import { syscallFilter } from './syscall-filter.ts'

const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]

/** A call that a program in a jail has no use for. */
interface ForbiddenCall {
  readonly name: string
  /** Number and arguments, for syscall() of perl; `$b` is a page of zeros, `$$` its pid. */
  readonly call: string
  /** What the filter answers. */
  readonly errno: number
  /** Whether it succeeds without the filter, with these arguments. */
  readonly succeeds?: true
  /** The Linux that brought it, where not every kernel that kata-ts supports has it. */
  readonly since?: string
}

/** What succeeds without the filter, whoever calls. */
const succeeding: readonly (readonly [name: string, call: string, errno: number])[] = [
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
]

/** What the kernel has besides: newer than any list of what is bad would be, or forgotten by it. */
const others: readonly (readonly [name: string, call: string, since?: string])[] = [
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
  ['open_tree_attr', '467, -1, 0, 0, 0, 0', '6.15'],
  ['listmount', '458, 0, 0, 0, 0', '6.8'],
  ['statmount', '457, 0, 0, 0, 0', '6.8'],
  ['fsconfig', '431, -1, 0, 0, 0, 0'],
  ['fspick', '433, -1, 0, 0'],
  ['modify_ldt', '154, 9, 0, 0'],
  ['move_pages', '279, 0, 1, 1, 1, 1, 99'],
  ['process_madvise', '440, -1, 0, 0, 0, 0'],
  ['vmsplice', '278, -1, 0, 0, 0'],
  ['io_uring_register', '427, -1, 0, 0, 0'],
  ['a call that no kernel has yet', '600', 'later'],
]

export const forbiddenCalls: readonly ForbiddenCall[] = [
  ...succeeding.map(([name, call, errno]) => ({ name, call, errno, succeeds: true }) as const),
  ...others.map(([name, call, since]) => ({ name, call, errno: ENOSYS, ...(since && { since }) })),
]

/**
 * Errno of such a call behind the filter of a policy, and without it. Fails where the control does: without the filter this
 * kernel has the call, whatever it says to the arguments, but for one that is newer than some kernels.
 */
export function answersTo({ call, succeeds, since }: ForbiddenCall, policy: SyscallPolicy) {
  const free = errnoOf(call)
  if (succeeds) expect(free).toBe(0)
  else if (since === undefined) expect(free).not.toBe(ENOSYS)
  return { filtered: errnoOf(call, policy), free }
}

/** Errno of a system call made by perl, 0 when it succeeded; a child made by it ends at once. */
export function errnoOf(call: string, policy?: SyscallPolicy): number {
  const directory = mkdtempSync(`${tmpdir()}/filter-`)
  try {
    if (policy !== undefined) writeFileSync(`${directory}/filter`, syscallFilter(policy))
    const code = `$b = "\\0" x 4096; $p = $$; $r = syscall(${call}); exit 0 if $$ != $p; print $r == -1 ? 0+$! : 0`
    const setpriv =
      policy === undefined ? [] : ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/filter`]
    const { exitCode, stdout } = Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code])
    expect(exitCode).toBe(0)
    return Number(stdout.toString())
  } finally {
    rmSync(directory, { recursive: true })
  }
}
