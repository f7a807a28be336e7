/** What a machine boots from and with: its assets, whether they are the expected ones, and KVM or TCG. */
import type { Ledger } from '../../../ledger/ledger.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import type { StartHost } from '../host.ts'
import type { Timings } from '../timings.ts'
import type { SandboxAccelerator } from './accelerator.ts'
import { type AssetFiles, assetFiles } from './asset-files.ts'
import { findAssets, verifyAssets } from './assets.ts'

/** Leaving the scope ends the verification, if it is not done yet. */
export interface Boot extends AsyncDisposable {
  readonly assets: GuestAssets
  readonly assetFiles: AssetFiles
  /** Settles when kernel and initrd were found to be those that were built. */
  readonly verified: Promise<void>
  readonly accelerator: AcceleratorChoice
}

/**
 * Comes before the sandbox has anything: a trial of KVM is no part of the sandbox, and the pod's cgroups do not count it.
 *
 * @throws KataError KVM_UNUSABLE; those of {@link findAssets}.
 */
export async function prepareBoot(
  host: Pick<StartHost, 'resolveAssets' | 'chooseAccelerator'>,
  ledger: Ledger,
  { id, namespace, config, paths, log }: Omit<SandboxAccelerator, 'assets' | 'verified'>,
  timings: Pick<Timings, 'measure'>,
): Promise<Boot> {
  const assets = await findAssets(host, config)
  // Before they are verified and read: what takes their place later is no part of this machine.
  const files = assetFiles(assets)
  await using background = new AsyncDisposableStack()
  const { done: verified } = background.use(verifyAssets(assets, timings))
  const trial = { id, namespace, config, paths, assets, verified, log }
  const accelerator = await timings.measure('accelerator', () => host.chooseAccelerator(ledger, trial))
  const kept = background.move()
  const parts = { assets, assetFiles: files, verified, accelerator }
  return { ...parts, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
