/** Gives back what a process that will rest has mapped of its program (MADV_DONTNEED of madvise(2)). */
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

/** Where this program's code lies, once it was read: it never moves. */
let own: readonly Range[] | undefined

/**
 * Unmaps the pages of this program's code and constants. They stay in the host's cache of files, from where the next use maps them again, and
 * the host may take them when it has better use for the memory. What cannot be unmapped stays: this fails nothing.
 */
export function dropCode(): void {
  own ??= ownCode()
  for (const { start, end } of own ?? [])
    libc.syscall(SYS_madvise, start, end - start, MADV_DONTNEED, 0, 0, 0)
}

/** Undefined when it cannot be read, for want of a descriptor. */
function ownCode(): Range[] | undefined {
  try {
    return codeIn(readFileSync('/proc/self/maps', 'utf8'), readlinkSync('/proc/self/exe'))
  } catch {
    return undefined
  }
}

/**
 * What proc_pid_maps(5) says of the program's file up to its code. Behind the code lie data that the program has changed, some of them read-only
 * since (RELRO): the file does not have them.
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
