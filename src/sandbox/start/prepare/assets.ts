/** Kernel, initrd and disk image of a machine, and whether they are the expected ones. */
import { requireAssetHashes } from '../../../config/asset-hashes.ts'
import type { Config } from '../../../config/config.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'
import { type Background, background } from '../background.ts'
import type { StartHost } from '../host.ts'
import type { Timings } from '../timings.ts'

/** @throws KataError, those of {@link resolveAssets}; those of {@link requireAssetHashes} for checksums of the pod. */
export async function findAssets(
  { resolveAssets }: Pick<StartHost, 'resolveAssets'>,
  config: Config,
): Promise<GuestAssets> {
  const assets = resolveAssets(config)
  await requireAssetHashes(config.hypervisor, { ...assets, image: assets.rootDisk?.image })
  return assets
}

/**
 * Compares the assets with what was built, in the background. An aborted start ends the comparison by leaving the scope and
 * not by its signal: a KVM trial that failed by the signal would be remembered for other starts.
 */
export function verifyAssets(
  { verify }: Pick<GuestAssets, 'verify'>,
  { measure }: Pick<Timings, 'measure'>,
): Background<void> {
  return background((leaving) => measure('verify image', () => verify(leaving)))
}
