/** The disks of one container: plugged into the machine, and named to its agent as the guest finds them. */
import type { Config } from '../../config/config.ts'
import { directVolumeResource, markDirectVolume } from '../../devices/direct-volume.ts'
import { findBlockDevice, findDiskAt } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { everyStep } from '../../ledger/every-step.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { DeviceRights } from '../../oci/devices/device-rights.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciMount, OciSpec } from '../../oci/spec.ts'
import type { Device, Storage } from '../../protocol/generated/agent.ts'
import { FSGroupChangePolicy } from '../../protocol/generated/types.ts'
import { fileSystemOptions, guestStorage, isDirect, placeOf } from '../disks/guest-disk.ts'
import { type DeviceUse, deviceUses, type VolumeUse, volumeUses } from './disk-uses.ts'
import type { Disks } from './disks.ts'

/** Where a direct-assigned volume is. */
export interface DirectVolumePlace {
  /** In the guest. */
  readonly guestPath: string
  /** Its disk's name in the machine. */
  readonly diskId: string
}

export interface ContainerDisks {
  readonly devices: Device[]
  readonly storages: Storage[]
  /** Replacements of mounts of the spec, by their index. Their sources are in the guest. */
  readonly mounts: ReadonlyMap<number, OciMount>
  /** Where the guest has the direct-assigned volumes, by their paths on the host. */
  readonly directVolumes: ReadonlyMap<string, DirectVolumePlace>
  /** Rules that let the container use its devices, in OCI's form. */
  readonly rules: readonly DeviceRule[]
}

export interface ContainerDisksInput {
  readonly containerId: string
  readonly sandboxId: string
  readonly spec: OciSpec
  readonly rights: DeviceRights
  readonly disks: Disks
  readonly ledger: Ledger
  readonly hypervisor: Config['hypervisor']
}

/**
 * Plugs in every disk that the spec names. When it throws, {@link releaseDisks} still has to be called.
 *
 * @param notes where those of direct-assigned volumes lie.
 * @throws KataError DEVICE_*, DIRECT_VOLUME_INVALID, DIRECT_VOLUME_SUBPATH, and those of the VMM.
 */
export async function attachDisks(input: ContainerDisksInput, notes?: string): Promise<ContainerDisks> {
  const devices: Device[] = []
  const rules: DeviceRule[] = []
  for (const use of deviceUses(input.spec, input.rights)) {
    devices.push(await attachDevice(input, use))
    rules.push(use.rule)
  }
  const storages: Storage[] = []
  const mounts = new Map<number, OciMount>()
  const directVolumes = new Map<string, DirectVolumePlace>()
  for (const use of volumeUses(input.spec, notes)) {
    const { storage, diskId } = await attachVolume(input, use)
    storages.push(storage)
    mounts.set(use.index, guestMount(use, storage.mountPoint))
    const guestPath = storage.mountPoint
    if (use.direct !== undefined) directVolumes.set(use.mount.source ?? '', { guestPath, diskId })
  }
  return { devices, storages, mounts, directVolumes, rules }
}

/**
 * Unplugs what only this container used, once the guest has released it.
 *
 * @returns {@link Disks.detach}. @throws the first failure, such as KataError VMM_UNPLUG_REFUSED; the others are released nevertheless.
 */
export async function releaseDisks(
  containerId: string,
  { disks, ledger, isHeld }: { disks: Disks; ledger: Ledger; isHeld: boolean },
): Promise<readonly string[]> {
  const volumes = ledger.dataOf(directVolumeResource).filter(({ owner }) => owner === containerId)
  let kept: readonly string[] = []
  await everyStep([
    ...volumes.map((volume) => () => ledger.release(directVolumeResource, (held) => held === volume)),
    async () => {
      kept = await disks.detach(containerId, { isHeld })
    },
  ])
  return kept
}

async function attachDevice(input: ContainerDisksInput, use: DeviceUse): Promise<Device> {
  const { containerId, disks } = input
  const { path, numbers, readonly } = use
  using disk = findBlockDevice(numbers, containerId)
  const { address } = await disks.attach(containerId, disk, { readonly, direct: isDirect(input.hypervisor) })
  return { id: placeOf(address), type: address.driver, vmPath: '', containerPath: path, options: [] }
}

async function attachVolume(
  input: ContainerDisksInput,
  use: VolumeUse,
): Promise<{ storage: Storage; diskId: string }> {
  const { containerId, disks, hypervisor } = input
  const { source, readonly, kind, fsType, direct } = use
  if (hypervisor.disableBlockDeviceUse)
    throw new KataError('DEVICE_VOLUMES_DISABLED', { source, container: containerId })
  using disk = findDiskAt(source, { kind }, containerId)
  const attached = await disks.attach(containerId, disk, { readonly, direct: isDirect(input.hypervisor) })
  if (direct !== undefined) await markVolume(input, direct.directory)
  const { fsGroup } = direct ?? {}
  const policy = fsGroup?.onRootMismatch ? FSGroupChangePolicy.ON_ROOT_MISMATCH : FSGroupChangePolicy.ALWAYS
  const storage: Storage = {
    driver: attached.address.driver,
    driverOptions: [],
    source: placeOf(attached.address),
    fstype: fsType ?? 'bind',
    options: fileSystemOptions(use.options),
    mountPoint: `${guestStorage}/${containerId}/${use.index}`,
    // A container that runs already could lead the walk astray with symbolic links. What is only read stays as it is:
    // a guest cannot give it to anybody, and fails.
    fsGroup:
      attached.isNew && !readonly && fsGroup ? { groupId: fsGroup.id, groupChangePolicy: policy } : undefined,
    shared: false,
  }
  return { storage, diskId: attached.id }
}

async function markVolume({ ledger, containerId, sandboxId }: ContainerDisksInput, directory: string) {
  const path = `${directory}/${sandboxId}`
  await ledger.take(directVolumeResource, { path, owner: containerId }, () => markDirectVolume(path))
}

/** The file system is mounted by the agent; the container sees it by a bind. */
function guestMount({ mount, options }: VolumeUse, source: string): OciMount {
  const kept = options.filter((word) => ['ro', 'rw', 'nosuid', 'nodev', 'noexec'].includes(word))
  return { destination: mount.destination, type: 'bind', source, options: ['rbind', 'rprivate', ...kept] }
}
