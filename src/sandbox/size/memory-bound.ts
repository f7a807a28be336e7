/** How much of the host's memory a sandbox may have, its machine's own included. */
import { descriptorLimit } from '../../sharing/virtiofsd/command.ts'

const mebibyte = 1024 ** 2
/** Cgroups count whole ones. */
const page = 4096
/** VMM, virtiofsd and shim, and the code that TCG translates: 211 MiB were measured for all of them when idle (docs/benchmarks.md, memory). */
const idleMiB = 768
/** Page tables of VMM, virtiofsd, KVM and IOMMU for the guest's memory, a 512th each. */
const pageTablesOf = 1 / 64
/**
 * What the host's kernel keeps for each file that the guest knows: inode and dentry of the file system and of an overlay, and a
 * descriptor. Bytes.
 */
const perFile = 3 * 1024
/** The least that the guest's kernel keeps for each such file, so the guest's memory bounds their number. Bytes. */
const perFileInGuest = 1024

/**
 * The bound in bytes: more than a machine of that size needs with as many files in use as its guest can have. The host's cache
 * of files counts too, but the kernel reclaims it.
 *
 * @param mostFiles how many the daemons of its shares may have open together.
 */
export function memoryBound(memoryMiB: number, mostFiles = 2 * descriptorLimit()): number {
  const machine = memoryMiB * mebibyte
  const files = Math.min(mostFiles, machine / perFileInGuest) * perFile
  const bytes = machine * (1 + pageTablesOf) + files + idleMiB * mebibyte
  return Math.ceil(bytes / page) * page
}
