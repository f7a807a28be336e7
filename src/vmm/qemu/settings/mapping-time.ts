/**
 * How long QEMU may take over what maps all of a guest's memory for a device of the host: it pins and clears every page of it
 * before it answers, and does nothing else meanwhile.
 */

/**
 * Hardware pins and clears about a GiB a second or more in pages of 4 KiB, and huge pages much quicker. Where KVM is itself
 * emulated it takes many times longer: that is what the configured time is raised for. Milliseconds.
 */
const msPerGiB = 2000

/**
 * Milliseconds: what the configuration allows anyway, but no less than what is usual, and more for memory.
 *
 * @param usualMs without any device, milliseconds.
 * @param configured dial_timeout for a start, create_container_timeout for a device that comes later, seconds.
 */
export function mappingMs(memoryMiB: number, usualMs: number, configured: number): number {
  return Math.max(usualMs, configured * 1000) + Math.ceil((memoryMiB * msPerGiB) / 1024)
}
