/**
 * The one place that waits for children. PID 1 is the parent of every process whose own parent ended, so the exit
 * of a container's process (crun's grandchild) arrives here just like that of a command the agent started itself.
 */
import { childSignals, read, reap } from 'syscalls'
import { events, type Loop } from '../devices/loop.ts'

export interface Reaper {
  /** Exit code (128 + signal) of a child just started: to be called in the same turn that started it. */
  exitOf(pid: number): Promise<number>
  /**
   * Runs `work`, during which some other program starts a process that becomes our child; `claim` gives the exit
   * code of that process, even if it ended before its number was known.
   */
  adopting<T>(work: (claim: (pid: number) => Promise<number>) => Promise<T>): Promise<T>
}

export function createReaper(loop: Loop): Reaper {
  const waiting = new Map<number, (code: number) => void>()
  // Exits that nobody waited for, for each adoption those since it began: process numbers are used again.
  const adoptions = new Set<Map<number, number>>()

  const signals = childSignals()
  loop.watch(signals, events.in, () => {
    read(signals, 128)
    for (let ended = reap(); ended !== null; ended = reap()) {
      const [pid, code] = ended
      const resolve = waiting.get(pid)
      waiting.delete(pid)
      for (const unclaimed of adoptions)
        if (resolve === undefined) unclaimed.set(pid, code)
        else unclaimed.delete(pid)
      resolve?.(code)
    }
  })

  const exitOf = (pid: number) => new Promise<number>((resolve) => waiting.set(pid, resolve))

  return {
    exitOf,
    async adopting(work) {
      const unclaimed = new Map<number, number>()
      adoptions.add(unclaimed)
      const claim = (pid: number): Promise<number> => {
        const code = unclaimed.get(pid)
        for (const others of adoptions) others.delete(pid)
        return code === undefined ? exitOf(pid) : Promise.resolve(code)
      }
      try {
        return await work(claim)
      } finally {
        adoptions.delete(unclaimed)
      }
    },
  }
}
