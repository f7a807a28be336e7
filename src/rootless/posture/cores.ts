/** Whether the threads of a process share cores with each other alone. */
import { readdirSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import {
  type CoreScheduling,
  coreCookie,
  coreScheduling,
  newCoreCookie,
} from '../../linux/processes/core-scheduling.ts'

/**
 * `own`: all threads have the same cookie, which is not ours. `mixed`: they have several. `shared`: none, or ours. `no-smt`: a core runs
 * one thread at a time on this host. `unknown`: the kernel has no core scheduling.
 */
export type Cores = 'own' | 'mixed' | 'shared' | 'no-smt' | 'unknown'

/** The system calls, so that tests can have another kernel. */
export interface CoreKernel {
  state(): CoreScheduling
  cookie(tid: number): bigint
  renew(pid: number): void
  threads(pid: number): number[]
}

const hostKernel: CoreKernel = {
  state: coreScheduling,
  cookie: coreCookie,
  renew: newCoreCookie,
  threads: (pid) => readdirSync(`/proc/${pid}/task`).map(Number),
}

/** How often a process is given a cookie: a thread that is created meanwhile may miss it. */
const attempts = 5

/** @throws KataError CORE_SCHEDULING_MISSING. */
export function requireCoreScheduling(kernel = hostKernel): void {
  if (kernel.state() === 'missing')
    throw new KataError('CORE_SCHEDULING_MISSING', { reason: 'this kernel was built without it' })
}

/** Gives the process cores of its own. @throws KataError CORE_SCHEDULING_MISSING when the kernel does not. */
export function separateCores(pid: number, kernel = hostKernel): void {
  requireCoreScheduling(kernel)
  if (kernel.state() === 'no-smt') return
  for (let attempt = 1; attempt <= attempts; attempt++) {
    kernel.renew(pid)
    if (readCores(pid, kernel) === 'own') return
  }
  throw new KataError('CORE_SCHEDULING_MISSING', { reason: `process ${pid} has threads of several groups` })
}

/** Threads that end meanwhile are left out. @throws SyscallError. */
export function readCores(pid: number, kernel = hostKernel): Cores {
  const state = kernel.state()
  if (state === 'missing') return 'unknown'
  if (state === 'no-smt') return 'no-smt'
  const cookies = new Set(kernel.threads(pid).flatMap((tid) => cookieOf(tid, kernel)))
  if (cookies.size > 1) return 'mixed'
  const [cookie = 0n] = cookies
  return cookie === 0n || cookie === kernel.cookie(0) ? 'shared' : 'own'
}

function cookieOf(tid: number, kernel: CoreKernel): bigint[] {
  try {
    return [kernel.cookie(tid)]
  } catch (error) {
    if (error instanceof SyscallError && error.errno === 'ESRCH') return []
    throw error
  }
}
