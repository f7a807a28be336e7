/** What the host can give without swapping (proc_meminfo(5)). */
import { readFileSync } from 'node:fs'

/** @throws Error where the kernel does not tell. */
export function freeMemoryMiB(meminfo: string = readFileSync('/proc/meminfo', 'utf8')): number {
  const kib = /^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1]
  if (kib === undefined) throw new Error('/proc/meminfo has no MemAvailable')
  return Math.floor(Number(kib) / 1024)
}
