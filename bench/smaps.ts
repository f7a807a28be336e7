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

/** What the pages of a process are for. */
export interface SplitMemory {
  /** The guest's memory: QEMU's one memfd, mapped by virtiofsd too, or the file that clones have in common. */
  readonly guest: Memory
  /** Guest code that TCG has translated: what is writable and executable at once. */
  readonly translated: Memory
  /** Kernel and initrd as they lie in files, shared by all machines that boot them. */
  readonly bootFiles: Memory
  /** Everything else. */
  readonly own: Memory
}

/** @throws Error ENOENT when the process is gone. */
export function readMemory(pid: number): SplitMemory {
  return splitMemory(readFileSync(`/proc/${pid}/smaps`, 'utf8'))
}

export function splitMemory(smaps: string): SplitMemory {
  const split = { guest: nothing, translated: nothing, bootFiles: nothing, own: nothing }
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const kind = kindOf(mapping.split('\n')[0] ?? '')
    split[kind] = sum(split[kind], memoryOf(mapping))
  }
  return split
}

/** Inside of the jail kernel, initrd and a template's memory lie below /boot; `memory-backend-memfd` is QEMU's name for its memory. */
function kindOf(header: string): keyof SplitMemory {
  if (/ \/(memfd:memory-backend-memfd|boot\/memory$)/.test(header)) return 'guest'
  if (/ \/boot\/(vmlinux|initrd)$/.test(header)) return 'bootFiles'
  return / rwxp /.test(header) ? 'translated' : 'own'
}

export function sum(a: Memory, b: Memory): Memory {
  return { rss: a.rss + b.rss, pss: a.pss + b.pss, private: a.private + b.private }
}

function memoryOf(mapping: string): Memory {
  const kib = (field: string) => Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(mapping)?.[1] ?? 0)
  return { rss: kib('Rss'), pss: kib('Pss'), private: kib('Private_Clean') + kib('Private_Dirty') }
}
