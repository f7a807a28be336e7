/**
 * What a core dump has of a process's memory (/proc/PID/coredump_filter, core(5)). Its size is no bound of that: the kernel asks no
 * RLIMIT_CORE where it pipes dumps to a program, as systemd, Ubuntu and Red Hat have it do. A child has the filter of its parent, and
 * execve(2) keeps it.
 */
import { writeFileSync } from 'node:fs'
import { readProc } from './proc.ts'

const file = '/proc/self/coredump_filter'

/** From here on a dump of this process, or of one that it starts, has registers and none of the memory. */
export function keepMemoryOutOfCores(): void {
  try {
    writeFileSync(file, '0', { flag: 'r+' })
  } catch (error) {
    // A kernel without the file makes no dumps (CONFIG_ELF_CORE).
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** The kinds of memory that a dump of this process has, as a mask in hexadecimal; undefined where there are no dumps. */
export const memoryInCores = (): string | undefined => readProc(file)?.trim()
