/** Decides what a pool does next, from the number of its machines and the load of the host. */
import type { HostLoad } from './host-load.ts'

export interface PoolBounds {
  /** Most machines that wait, including those being made. */
  readonly number: number
  /** Most memory that one of them may take, MiB. */
  readonly machineMiB: number
}

/**
 * Pressure in percent. Below the first of the processors, the host is idle. From the second of memory on, it is short of memory, and it counts
 * as recovered only below the third.
 */
const [busyCpu, shortMemory, easedMemory] = [25, 10, 1]
/** Unused processor time in percent, from which a host is idle although tasks wait: those have used up their cgroup's limit. */
const idleEnough = 50
/** Shares of the host's memory: the least that a new machine must leave free, and the least before all waiting machines end. */
const [leastAfterFill, leastAtAll] = [0.1, 0.05]

export interface Decision {
  readonly todo: 'fill' | 'rest' | 'empty'
  /** Why the host's load keeps the pool from being full; empty if the pool is full or may be filled. */
  readonly reason: string
}

/** Decides for a pool that has `held` machines. Pure. */
export function decide(held: number, { number, machineMiB }: PoolBounds, load: HostLoad): Decision {
  const { cpu, idle = 0, memory, availableMiB, totalMiB } = load
  const percent = (share: number) => `${Math.round(share * 100)} %`
  if (memory.now >= shortMemory)
    return { todo: 'empty', reason: `tasks wait for memory ${shortMemory} % of the time or more` }
  if (availableMiB < totalMiB * leastAtAll)
    return { todo: 'empty', reason: `less than ${percent(leastAtAll)} of the memory is free` }
  if (held >= number) return { todo: 'rest', reason: '' }
  if (cpu >= busyCpu && idle < idleEnough)
    return { todo: 'rest', reason: `tasks wait for a processor ${busyCpu} % of the time or more` }
  if (memory.lately >= easedMemory)
    return { todo: 'rest', reason: 'tasks waited for memory within the last minute' }
  if (availableMiB - machineMiB < totalMiB * leastAfterFill)
    return {
      todo: 'rest',
      reason: `a machine of ${machineMiB} MiB would leave less than ${percent(leastAfterFill)} of the memory free`,
    }
  return { todo: 'fill', reason: '' }
}
