/** The layers of a container as disks of the machine, which the guest puts together. The host mounts none of them. */
import { readdirSync } from 'node:fs'
import type { HypervisorConfig } from '../../config/config.ts'
import { findDiskAt } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { GuestRootfs, GuestStorage } from '../../sharing/share.ts'
import type { Disks } from '../storage/disks.ts'
import {
  diskBytes,
  emptyDirDiskResource,
  filesName,
  imageName,
  makeEmptyDirImage,
  removeOldImages,
} from './empty-dir-image.ts'
import { freshExt4 } from './fresh-ext4.ts'
import { fileSystemOptions, guestStorage, isDirect, placeOf } from './guest-disk.ts'
import { layerVerity, requireNoNote, verityOptions } from './layer-verity.ts'
import type { GuestPlaces, LayerDisk, LayeredRootfs } from './layered-rootfs.ts'

export interface LayerTools {
  readonly disks: Pick<Disks, 'attach'>
  readonly ledger: Ledger
  readonly hypervisor: Pick<
    HypervisorConfig,
    'disableBlockDeviceUse' | 'blockDeviceCacheSet' | 'blockDeviceCacheDirect'
  >
  /** A directory of root's, used while a disk is made. */
  readonly stateDir: string
}

/** Short: the paths of all layers have to fit into the options of one mount. */
export function guestPlaces(container: string): GuestPlaces {
  const name = new Bun.CryptoHasher('sha256').update(container).digest('hex').slice(0, 12)
  const directory = `/run/layers/${name}`
  return {
    layer: (index) => `${directory}/${index}`,
    scratch: { upper: `${directory}/rw/${filesName}`, work: `${directory}/rw/work` },
  }
}

/**
 * Plugs the disks in, those of type erofs read-only, and says how the guest mounts them. An upper directory of the host becomes a sparse
 * disk in that directory, so that its blocks are counted as those of the container's files.
 *
 * @throws KataError ROOTFS_LAYERS, DEVICE_*, EMPTYDIR_DISK_FAILED, ROOTFS_DISK_TOOL, those of the VMM.
 */
export async function bringLayers(
  tools: LayerTools,
  container: string,
  { disks, overlay, directory, hostUpper }: LayeredRootfs,
): Promise<GuestRootfs> {
  if (tools.hypervisor.disableBlockDeviceUse)
    throw new KataError('DEVICE_VOLUMES_DISABLED', { source: disks[0]?.source ?? '', container })
  const storages: GuestStorage[] = []
  for (const disk of disks) storages.push(await attachLayer(tools, container, disk))
  if (hostUpper !== undefined) storages.push(await scratchDisk(tools, container, hostUpper))
  if (directory !== undefined) return { path: directory, storages: [...storages, madeDirectory(directory)] }
  if (overlay.length === 0) return { path: disks[0]!.guestPath, storages }
  const mountPoint = `${guestStorage}/${container}/rootfs`
  const over = { driver: 'overlayfs', source: 'overlay', fstype: 'overlay', options: overlay, mountPoint }
  return { path: mountPoint, storages: [...storages, over] }
}

/** The agent makes it if it is missing. */
const madeDirectory = (mountPoint: string): GuestStorage => ({
  driver: 'local',
  source: 'local',
  fstype: 'local',
  options: ['mode=0755'],
  mountPoint,
})

async function attachLayer(
  { disks, hypervisor }: LayerTools,
  container: string,
  { type, source, options, devices, verity, guestPath }: LayerDisk,
): Promise<GuestStorage> {
  const readonly = type === 'erofs'
  const verified = readonly ? layerVerity(source, verity ?? 'auto', container) : undefined
  if (verity !== 'off') requireNoNote(devices, container)
  const attach = async (path: string) => {
    using disk = findDiskAt(path, {}, container)
    return (await disks.attach(container, disk, { readonly, direct: isDirect(hypervisor) })).address
  }
  const address = await attach(source)
  const others = fileSystemOptions(options).filter((word) => word !== 'ro' && word !== 'rw')
  // Our agent puts the node in the place of the disk's.
  for (const path of devices) {
    const place = await attach(path)
    others.push(`device=${place.driver}:${placeOf(place)}`)
  }
  return {
    driver: address.driver,
    source: placeOf(address),
    fstype: type,
    options: [readonly ? 'ro' : 'rw', ...others, ...(verified ? verityOptions(verified) : [])],
    mountPoint: guestPath,
  }
}

/** Removes the disk that {@link bringLayers} made, once the machine has let go of it. */
export async function removeScratchDisk(ledger: Ledger, container: string): Promise<void> {
  const mine = ({ path }: { path: string }) => path.endsWith(`/${imageName(container)}`)
  if (ledger.dataOf(emptyDirDiskResource).some(mine)) await ledger.release(emptyDirDiskResource, mine)
}

async function scratchDisk(tools: LayerTools, container: string, directory: string): Promise<GuestStorage> {
  const { ledger, disks, stateDir, hypervisor } = tools
  removeOldImages(directory)
  if (readdirSync(directory).length > 0)
    throw new KataError('ROOTFS_LAYERS', {
      container,
      reason: `${directory} has files already, and what the guest writes goes to a disk of its own`,
    })
  const path = `${directory}/${imageName(container)}`
  await ledger.take(emptyDirDiskResource, { path }, () =>
    makeEmptyDirImage(path, { directory, bytes: diskBytes(directory, 0), scratch: stateDir }),
  )
  using disk = findDiskAt(path, { kind: 'file' }, container)
  const use = { readonly: false, direct: isDirect(hypervisor), isScratch: true }
  const { address } = await disks.attach(container, disk, use)
  const { upper } = guestPlaces(container).scratch
  return {
    driver: address.driver,
    source: placeOf(address),
    fstype: 'ext4',
    options: [...freshExt4, 'discard'],
    mountPoint: upper.slice(0, -filesName.length - 1),
  }
}
