/** What the host can spare, as the kernel tells it: pressure stall information (Documentation/accounting/psi.rst) and free memory. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import type { IdleShare } from './idle-share.ts'

export interface HostLoad {
  /** Share of the last 10 s, in percent, in which a task waited for a processor. */
  readonly cpu: number
  /** Share of the processors' time that nobody used ({@link IdleShare}), in percent; absent while it is not known. */
  readonly idle?: number | undefined
  /** Shares of the last 10 and 60 s, in percent, in which a task waited for memory. */
  readonly memory: { readonly now: number; readonly lately: number }
  readonly availableMiB: number
  readonly totalMiB: number
}

export const pressureDir = '/proc/pressure'

/** Undefined for a kernel that counts no pressure (`psi=0`). `directory` has the files `cpu` and `memory`. */
export function readHostLoad(
  directory: string = pressureDir,
  idle?: Pick<IdleShare, 'read'>,
): HostLoad | undefined {
  const cpu = readText(`${directory}/cpu`)
  const memory = readText(`${directory}/memory`)
  if (cpu === undefined || memory === undefined) return undefined
  return {
    cpu: someOf(cpu, 'avg10'),
    idle: idle?.read(),
    memory: { now: someOf(memory, 'avg10'), lately: someOf(memory, 'avg60') },
    availableMiB: availableMiB(),
    totalMiB: Math.floor(totalmem() / 1024 ** 2),
  }
}

/** The kernel has the file and still answers EOPNOTSUPP where the counting is switched off. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The line `some avg10=0.12 avg60=...`; a line that is not there counts as no pressure. */
function someOf(text: string, window: 'avg10' | 'avg60'): number {
  return Number(new RegExp(`^some .*\\b${window}=([0-9.]+)`, 'm').exec(text)?.[1] ?? 0)
}

function availableMiB(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Math.floor(Number(kib ?? 0) / 1024)
}
