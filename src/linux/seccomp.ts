/** A seccomp filter of system calls by number (seccomp(2)), as classic BPF (<linux/filter.h>, <linux/seccomp.h>). */
import { checked, libc, ptr } from './libc.ts'
import { readStatus } from './proc.ts'

const PR_SET_SECCOMP = 22
const SECCOMP_MODE_FILTER = 2
const [LD_W_ABS, JMP_JEQ_K, JMP_JGE_K, RET_K] = [0x20, 0x15, 0x35, 0x06]
const [ALLOW, KILL_PROCESS, ERRNO] = [0x7fff0000, 0x80000000, 0x00050000]
const ENOSYS = 38
/** Offsets in struct seccomp_data. */
const [nr, arch] = [0, 4]
const AUDIT_ARCH_X86_64 = 0xc000003e
/** Numbers from here on are the x32 interface. */
const x32 = 0x40000000
/** A jump goes so far at most. */
const mostCalls = 250

/** Answers ENOSYS to these calls and to the x32 interface, ends a process that calls by the 32-bit one, and allows the rest. */
export function denyFilter(numbers: readonly number[]): Buffer {
  if (numbers.length > mostCalls) throw new Error('too many system calls for one filter')
  return Buffer.concat([
    instruction(LD_W_ABS, arch),
    instruction(JMP_JEQ_K, AUDIT_ARCH_X86_64, 1, 0),
    instruction(RET_K, KILL_PROCESS),
    instruction(LD_W_ABS, nr),
    instruction(JMP_JGE_K, x32, numbers.length + 1, 0),
    // Each jumps over those behind it and over the permission.
    ...numbers.map((number, index) => instruction(JMP_JEQ_K, number, numbers.length - index, 0)),
    instruction(RET_K, ALLOW),
    instruction(RET_K, ERRNO | ENOSYS),
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

function instruction(code: number, k: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(k >>> 0, 4)
  return bytes
}
