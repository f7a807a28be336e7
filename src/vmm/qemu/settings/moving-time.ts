/** How long QEMU may take to write a whole machine to a file, or to read it. */

/** What it takes whatever the memory, milliseconds. */
const leastMs = 120_000
/** Of a disk that writes 50 MiB a second, milliseconds. */
const msPerGiB = 20_000

/** Milliseconds. */
export function movingMs(memoryMiB: number): number {
  return leastMs + Math.ceil((memoryMiB * msPerGiB) / 1024)
}
