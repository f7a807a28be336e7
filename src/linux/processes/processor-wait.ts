/** How long processes have waited for a processor that others had (proc(5), schedstat). */
import { namesIn } from '../files/names-in.ts'
import { readProc } from './proc.ts'

/**
 * A clock that goes while the process waits, from 0 on, in milliseconds: between two looks, as long as the one of its threads did that waited longest.
 * Each thread is compared with itself: one that had waited for long before, or has ended since, hides no other. It stands still for a process
 * that has ended, and on a kernel that does not count it (CONFIG_SCHED_INFO).
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
