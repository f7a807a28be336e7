/** How readily the kernel ends a process when memory runs out: oom_score_adj of proc_pid_oom_score_adj(5), -1000 to 1000. */
import { writeFileSync } from 'node:fs'
import { readProc } from './proc.ts'

/** The value of a process; undefined when it is gone. */
export function readOomScore(pid: number | 'self'): number | undefined {
  const text = readProc(`/proc/${pid}/oom_score_adj`)?.trim()
  return text === undefined ? undefined : Number(text)
}

/**
 * False when the process is gone, or the value lower than it may be: below the least that root gave it before, CAP_SYS_RESOURCE
 * alone goes.
 */
export function writeOomScore(pid: number | 'self', value: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value))
    return true
  } catch {
    return false
  }
}
