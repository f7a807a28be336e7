/** Huge pages of the host, which somebody has to reserve before a machine can be made of them. */
import { readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'

/**
 * Whether `memoryMiB` fit into the host's free huge pages of the usual size; QEMU itself would only be killed when it
 * touches the first page that is not there. `meminfo` is the text of /proc/meminfo.
 *
 * @throws KataError VMM_NO_HUGEPAGES.
 */
export function requireHugePages(memoryMiB: number, meminfo = readFileSync('/proc/meminfo', 'utf8')): void {
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0)
  const pageKiB = value('Hugepagesize')
  const free = value('HugePages_Free') - value('HugePages_Rsvd')
  const needed = pageKiB === 0 ? 0 : Math.ceil((memoryMiB * 1024) / pageKiB)
  if (pageKiB === 0 || free < needed)
    throw new KataError('VMM_NO_HUGEPAGES', { memoryMiB, needed, free, pageKiB })
}

/** The size of one, in bytes; 0 where the kernel has none. */
export function hugePageBytes(meminfo = readFileSync('/proc/meminfo', 'utf8')): number {
  return Number(/^Hugepagesize:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0) * 1024
}
