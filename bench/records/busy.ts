/** Whether the machine has other work to do: figures taken beside it are not worth keeping. */
import { readFileSync } from 'node:fs'
import { readProc } from '../../src/linux/processes/proc.ts'

/** Largest share of all processors that other work may take right before and right after a benchmark that is recorded. */
export const busyLimit = 0.1

/** What ends with a benchmark has ended by then. */
const settleMs = 1000
const sampleMs = 3000

/** Time of all processors since the boot, in ticks (proc_stat(5)). */
export interface Ticks {
  readonly all: number
  /** All but idle and waiting for disks; `stolen` with it. */
  readonly busy: number
  /** Given to other machines by the hypervisor below. */
  readonly stolen: number
}

export interface Shares {
  readonly busy: number
  readonly stolen: number
}

export function readTicks(stat: string = readFileSync('/proc/stat', 'utf8')): Ticks {
  // The time of guests is in user and nice already.
  const times = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number).slice(0, 8) ?? []
  const [, , , idle = 0, ioWait = 0, , , stolen = 0] = times
  const all = times.reduce((sum, time) => sum + time, 0)
  return { all, busy: all - idle - ioWait, stolen }
}

/** To a hundredth; 0 of no time. What is left after one process's time may be less than nothing: the kernel counts it by another clock. */
export function sharesBetween(before: Ticks, after: Ticks): Shares {
  const all = Math.max(1, after.all - before.all)
  const hundredth = (ticks: number) => Math.max(0, Math.round((100 * ticks) / all) / 100)
  return { busy: hundredth(after.busy - before.busy), stolen: hundredth(after.stolen - before.stolen) }
}

/** Time of a process with all its threads, in the same ticks (proc_pid_stat(5)); 0 once it has ended. */
export function ticksOf(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`) ?? ''
  // The name before them may hold spaces.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user ?? 0) + (system ?? 0)
}

/** What runs while nothing of ours does; `ours` is a process that is none of it, a lab host. */
export async function sampleBusy(ours?: number): Promise<number> {
  const ticks = (): Ticks => {
    const { busy, ...others } = readTicks()
    return { ...others, busy: busy - (ours === undefined ? 0 : ticksOf(ours)) }
  }
  await Bun.sleep(settleMs)
  const before = ticks()
  await Bun.sleep(sampleMs)
  return sharesBetween(before, ticks()).busy
}

export const loadAverage = (): number => Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0])
