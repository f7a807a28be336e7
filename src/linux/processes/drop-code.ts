/** Unmaps the pages of the program of a process that is about to be idle (MADV_DONTNEED of madvise(2)). */
import { readFileSync, readlinkSync } from 'node:fs'
import { libc } from '../libc.ts'

// x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
const SYS_madvise = 28
const MADV_DONTNEED = 4

/** A range of memory, in bytes. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** The memory of this program's code, read once: it never moves. */
let own: readonly Range[] | undefined

/**
 * Unmaps the pages of this program's code and constants. They stay in the host's page cache, and the next use maps them again, unless the host
 * has reclaimed them. Never throws: pages that cannot be unmapped stay.
 */
export function dropCode(): void {
  own ??= ownCode()
  for (const { start, end } of own ?? [])
    libc.syscall(SYS_madvise, start, end - start, MADV_DONTNEED, 0, 0, 0)
}

/** Undefined if /proc cannot be read, as without a free descriptor. */
function ownCode(): Range[] | undefined {
  try {
    return codeIn(readFileSync('/proc/self/maps', 'utf8'), readlinkSync('/proc/self/exe'))
  } catch {
    return undefined
  }
}

/**
 * The ranges of the program's file up to its code, from proc_pid_maps(5). The data after the code must stay mapped: the program has changed them,
 * even those that are read-only now (RELRO), and the file does not have the changes.
 */
export function codeIn(maps: string, program: string): Range[] {
  const ofProgram = maps
    .split('\n')
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) (r.*?)p \S+ \S+ \d+ +(.*)$/.exec(line))
    .filter((match) => match?.[4]?.replace(/ \(deleted\)$/, '') === program.replace(/ \(deleted\)$/, ''))
    .map((match) => ({
      start: Number.parseInt(match![1]!, 16),
      end: Number.parseInt(match![2]!, 16),
      rights: match![3]!,
    }))
  const code = ofProgram.findLastIndex(({ rights }) => rights === 'r-x')
  return ofProgram
    .slice(0, code + 1)
    .filter(({ rights }) => rights === 'r-x' || rights === 'r--')
    .map(({ start, end }) => ({ start, end }))
}
