/** Kernel modules for the guest beyond those that its boot needs. */
import { dirname } from 'node:path'
import type { HypervisorConfig } from '../../../config/config.ts'
import { hasOwnGuest } from '../../../config/kata/own-guest.ts'
import { loadImage } from '../../../guest-image/guest-image.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'

/**
 * The file of the image that the kernel is from: another image's modules would not fit it. Undefined for a kernel or a guest of
 * the user's own.
 *
 * @throws KataError IMAGE_MANIFEST_CORRUPT.
 */
export function modulesOf(
  { hypervisor }: { readonly hypervisor: Pick<HypervisorConfig, 'kernel' | 'initrd' | 'image'> },
  { kernel }: Pick<GuestAssets, 'kernel'>,
): string | undefined {
  if (hypervisor.kernel !== '' || hasOwnGuest(hypervisor)) return undefined
  return loadImage(dirname(kernel))?.modules
}
