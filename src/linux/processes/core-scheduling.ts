/**
 * Core scheduling (prctl(PR_SCHED_CORE), the kernel's admin-guide/hw-vuln/core-scheduling): threads with different cookies never run at
 * the same time on the two hyper-threads of a core, where they could observe each other.
 */
import { checked, libc, ptr, SyscallError } from '../libc.ts'

const PR_SCHED_CORE = 62
const [get, create] = [0, 1]
const [oneThread, threadGroup] = [0, 1]

/** Whether this kernel can, and whether there is anything to separate. `no-smt`: a core runs one thread at a time anyway. */
export type CoreScheduling = 'usable' | 'no-smt' | 'missing'

/** @throws SyscallError for an answer of the kernel's that means neither. */
export function coreScheduling(): CoreScheduling {
  try {
    coreCookie(0)
    return 'usable'
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.errno === 'ENODEV') return 'no-smt'
    if (error.errno === 'EINVAL') return 'missing'
    throw error
  }
}

/** Gives all threads of a process a cookie that no other process has. Threads made later inherit it. @throws SyscallError. */
export function newCoreCookie(pid: number): void {
  checked(libc.prctl(PR_SCHED_CORE, create, pid, threadGroup, 0), `PR_SCHED_CORE_CREATE for process ${pid}`)
}

/** The cookie of a thread, 0 for the calling one; 0n for one that has none. @throws SyscallError. */
export function coreCookie(tid: number): bigint {
  const cookie = Buffer.alloc(8)
  checked(libc.prctl(PR_SCHED_CORE, get, tid, oneThread, ptr(cookie)), `PR_SCHED_CORE_GET for thread ${tid}`)
  return cookie.readBigUInt64LE()
}
