/** The memory of a machine that only shows whether KVM works. */

/** What the kernel takes before the initrd is unpacked, MiB. */
const kernelMiB = 256
/** An initrd is there twice while it is unpacked, and compressed some five times at the most. */
const unpacked = 8

/** A machine's memory that boots this initrd, and no more than the sandbox's own has. */
export function probeMemoryMiB(initrdBytes: number, defaultMemoryMiB: number): number {
  return Math.min(defaultMemoryMiB, kernelMiB + Math.ceil((unpacked * initrdBytes) / 1024 ** 2))
}
