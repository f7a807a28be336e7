/** A seccomp filter of system calls by number, and what sets one (seccomp(2)). */
import { allow, ENOSYS, failWith, loadNumber, skipOnCall, skipOnX32 } from './bpf.ts'
import { checked, libc, ptr } from './libc.ts'
import { readStatus } from './proc.ts'

const PR_SET_SECCOMP = 22
const SECCOMP_MODE_FILTER = 2
/** A jump goes so far at most. */
const mostCalls = 250

/** Answers ENOSYS to these calls and to the x32 interface, ends a process that calls by the 32-bit one, and allows the rest. */
export function denyFilter(numbers: readonly number[]): Buffer {
  if (numbers.length > mostCalls) throw new Error('too many system calls for one filter')
  return Buffer.concat([
    ...loadNumber(),
    skipOnX32(numbers.length + 1),
    // Each jumps over those behind it and over the permission.
    ...numbers.map((number, index) => skipOnCall(number, numbers.length - index)),
    allow(),
    failWith(ENOSYS),
  ])
}

/**
 * Sets the filter on the calling thread, which takes no new privileges already; what that spawns and executes has it, too.
 *
 * @throws SyscallError.
 */
export function setFilter(filter: Buffer): void {
  // struct sock_fprog: the number of instructions, and where they are.
  const program = Buffer.alloc(16)
  program.writeUInt16LE(filter.length / 8, 0)
  program.writeBigUInt64LE(BigInt(ptr(filter)), 8)
  checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(program), 0, 0), 'PR_SET_SECCOMP')
}

/** How many filters a process has on its first thread. */
export function filtersOf(pid: number | 'self'): number {
  return Number(readStatus(`/proc/${pid}/status`)?.get('Seccomp_filters') ?? 0)
}
