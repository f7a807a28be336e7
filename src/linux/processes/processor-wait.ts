/** How long processes have waited for a processor that others had (proc(5), schedstat). */
import { namesIn } from '../files/names-in.ts'
import { readProc } from './proc.ts'

/**
 * Milliseconds since the process began, of the thread that waited longest. 0 for one that has ended, and on a kernel that does not count it
 * (CONFIG_SCHED_INFO).
 */
export function waitedForProcessor(pid: number): number {
  const nanoseconds = namesIn(`/proc/${pid}/task`).map((tid) => {
    const [, waited = '0'] = (readProc(`/proc/${pid}/task/${tid}/schedstat`) ?? '').split(' ')
    return Number(waited)
  })
  return Math.max(0, ...nanoseconds) / 1e6
}
