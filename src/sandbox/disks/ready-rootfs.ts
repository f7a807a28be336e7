/**
 * Root file systems that come on a disk of their own, as the snapshotters devmapper and blockfile hand them over: an ext4 or xfs on a
 * block device or in a file. The disk goes into the machine as it is, and the guest mounts it. The host never does: its kernel would
 * have to read structures that a guest can write.
 */
import { statSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { type DiskKind, findDiskAt } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { isIdentifier } from '../../identifier.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { GuestRootfs, RootfsMount, Share } from '../../sharing/share.ts'
import { vmmFeatures } from '../../vmm/create.ts'
import { diskFileSystems } from '../storage/disk-uses.ts'
import type { Disks } from '../storage/disks.ts'
import { bringLayers, guestPlaces } from './bring-layers.ts'
import { fileSystemOptions, guestStorage, isDirect, placeOf } from './guest-disk.ts'
import { layeredRootfs } from './layered-rootfs.ts'
import { mountedLayers } from './mounted-layers.ts'

export interface RootfsWays {
  readonly share: Pick<Share, 'addRootfs'>
  readonly disks: Pick<Disks, 'attach'>
  readonly ledger: Ledger
  readonly paths: { readonly stateDir: string }
  readonly config: Pick<Config, 'hypervisor'>
}

/**
 * Brings a container's root file system to the guest: layers on disks and a ready disk as such, everything else by the share. With
 * `disable_block_device_use` the host mounts a block device and shares its files.
 *
 * @throws KataError ID_INVALID, ROOTFS_LAYERS, DEVICE_*, those of the VMM, and those of {@link Share.addRootfs}.
 */
export async function bringRootfs(
  { share, disks, config, ledger, paths }: RootfsWays,
  container: string,
  given: readonly RootfsMount[],
): Promise<GuestRootfs> {
  if (!isIdentifier(container)) throw new KataError('ID_INVALID', { id: container })
  const mounts = asDisks(given, config)
  const layered = layeredRootfs(mounts, container, guestPlaces(container))
  if (layered !== undefined)
    return bringLayers(
      { disks, ledger, hypervisor: config.hypervisor, stateDir: paths.stateDir },
      container,
      layered,
    )
  const ready = readyDisk(mounts)
  if (ready === undefined) return share.addRootfs(container, mounts)
  const { type, source, options, kind } = ready
  if (config.hypervisor.disableBlockDeviceUse) {
    if (kind === 'file') throw new KataError('DEVICE_VOLUMES_DISABLED', { source, container })
    return share.addRootfs(container, mounts)
  }
  using disk = findDiskAt(source, { kind }, container)
  const access = { readonly: options.includes('ro'), direct: isDirect(config.hypervisor) }
  const { address } = await disks.attach(container, disk, access)
  const path = `${guestStorage}/${container}/rootfs`
  const storage = {
    driver: address.driver,
    source: placeOf(address),
    fstype: type,
    options: fileSystemOptions(options),
    mountPoint: path,
  }
  return { path, storages: [storage] }
}

/** What is mounted on the host can be shared, too: where there are no disks, or few as with Firecracker, it is. */
function asDisks(mounts: readonly RootfsMount[], config: RootfsWays['config']): readonly RootfsMount[] {
  const hasFew = vmmFeatures(config).share === 'none'
  return config.hypervisor.disableBlockDeviceUse || hasFew ? mounts : (mountedLayers(mounts) ?? mounts)
}

/** A single mount whose type lies on disks and whose source is one. */
export function readyDisk(
  mounts: readonly RootfsMount[],
): (RootfsMount & { readonly kind: DiskKind }) | undefined {
  const [mount, ...others] = mounts
  if (mount === undefined || others.length > 0 || !diskFileSystems.has(mount.type)) return undefined
  const facts = statSync(mount.source, { throwIfNoEntry: false })
  if (facts?.isBlockDevice()) return { ...mount, kind: 'block' }
  return facts?.isFile() ? { ...mount, kind: 'file' } : undefined
}
