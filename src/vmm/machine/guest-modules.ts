/** Drivers that the guest needs for the machine's own devices, beyond those built into its kernel. */
import type { HypervisorConfig } from '../../config/config.ts'

/** Module names, in the notation of `kernel_modules`. */
export function machineModules({
  enableVirtioMem,
  reclaimGuestFreedMemory,
}: Pick<HypervisorConfig, 'enableVirtioMem' | 'reclaimGuestFreedMemory'>): string[] {
  return [...(enableVirtioMem ? ['virtio_mem'] : []), ...(reclaimGuestFreedMemory ? ['virtio_balloon'] : [])]
}
