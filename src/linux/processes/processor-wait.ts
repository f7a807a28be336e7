/** How long a process has waited for a processor (proc(5), schedstat). */
import { namesIn } from '../files/names-in.ts'
import { readProc } from './proc.ts'

/**
 * A clock that runs while the process waits, from 0 on, in milliseconds. Between two readings it advances by the wait of the thread that waited
 * longest. Each thread is compared with itself, so that a thread with a long earlier wait, or one that has ended, does not hide others. The
 * clock stands still for a process that has ended, and on a kernel without CONFIG_SCHED_INFO.
 */
export function processorWait(pid: number): () => number {
  let before = waitsOf(pid)
  let waited = 0
  return () => {
    const now = waitsOf(pid)
    waited += Math.max(0, ...[...now].map(([thread, ms]) => ms - (before.get(thread) ?? 0)))
    before = now
    return waited
  }
}

/** Milliseconds since each of its threads began. */
function waitsOf(pid: number): ReadonlyMap<string, number> {
  return new Map(
    namesIn(`/proc/${pid}/task`).map((tid) => {
      const [, waited = '0'] = (readProc(`/proc/${pid}/task/${tid}/schedstat`) ?? '').split(' ')
      return [tid, Number(waited) / 1e6]
    }),
  )
}
