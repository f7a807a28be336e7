/** Setting a seccomp filter (seccomp(2)), which bpf.ts assembles, and counting those that a process has. */
import { checked, libc, ptr } from '../libc.ts'
import { readStatus } from './proc.ts'

const PR_SET_SECCOMP = 22
const SECCOMP_MODE_FILTER = 2
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
