/** Memory of a process as the kernel accounts for it (proc_pid_smaps(5)), KiB. */
import { readFileSync } from 'node:fs'

export interface Memory {
  /** Resident, shared pages counted in full. */
  readonly rss: number
  /** Resident, shared pages divided by the number of processes that share them. */
  readonly pss: number
  /** Resident pages that nobody else has. */
  readonly private: number
}

export const nothing: Memory = { rss: 0, pss: 0, private: 0 }

/** The guest's memory is one memfd; everything else is the process's own. */
export interface SplitMemory {
  readonly own: Memory
  readonly guest: Memory
}

/** @throws Error ENOENT when the process is gone. */
export function readMemory(pid: number): SplitMemory {
  return splitMemory(readFileSync(`/proc/${pid}/smaps`, 'utf8'))
}

/** `/memfd:` is the name that memfd_create(2) gives; QEMU's memory backend is the only one of that name. */
export function splitMemory(smaps: string): SplitMemory {
  let own = nothing
  let guest = nothing
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const memory = memoryOf(mapping)
    if (/ \/memfd:memory-backend-memfd\b/.test(mapping.split('\n')[0] ?? '')) guest = sum(guest, memory)
    else own = sum(own, memory)
  }
  return { own, guest }
}

export function sum(a: Memory, b: Memory): Memory {
  return { rss: a.rss + b.rss, pss: a.pss + b.pss, private: a.private + b.private }
}

function memoryOf(mapping: string): Memory {
  const kib = (field: string) => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(mapping)?.[1] ?? 0)
  return { rss: kib('Rss'), pss: kib('Pss'), private: kib('Private_Clean') + kib('Private_Dirty') }
}
