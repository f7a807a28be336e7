/** What a pool does next, by how many machines it has and how idle the host is. */
import type { HostLoad } from './host-load.ts'

export interface PoolBounds {
  /** Most machines that wait, those that are being made included. */
  readonly number: number
  /** What one of them may come to take, MiB. */
  readonly machineMiB: number
}

/** Percent: the host is idle below the first, short of memory from the second on, and so again only below the third. */
const [busyCpu, shortMemory, easedMemory] = [25, 10, 1]
/** Percent: with so much of the processors' time unused a host is idle, whoever waits: he has used up his limit. */
const idleEnough = 50
/** Shares of the host's memory that stay free: of what a new machine leaves, and before all end. */
const [leastAfterFill, leastAtAll] = [0.1, 0.05]
export interface Decision {
  readonly todo: 'fill' | 'rest' | 'empty'
  /** What of the host keeps the pool from being full; empty for one that is full or may be filled. */
  readonly reason: string
}

/** What is to be done for a pool that has `held` machines. Pure. */
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
