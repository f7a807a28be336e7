/**
 * A container's mounts, from the host's view to the guest's: host files are carried into the share, the
 * pod's memory is made in the guest, and kernel interfaces are left to the guest's kernel.
 */
import { statSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { mountFlagsOf } from '../../linux/mounts/mount-flags.ts'
import { containerKind, podUidOf } from '../../oci/annotations.ts'
import { mountCaller, withoutCaller } from '../../oci/caller-mount.ts'
import { type GuestCharDevice, guestCharDevice } from '../../oci/devices/char-devices.ts'
import { isBind, isReadOnly } from '../../oci/mounts.ts'
import { normalPath } from '../../oci/normal-path.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciMount, OciSpec } from '../../oci/spec.ts'
import type { BindRequest, Share } from '../../sharing/share.ts'
import type { EmptyDirs } from '../disks/empty-dirs.ts'
import { isEmptyDir, memoryVolume, type VolumeStorage } from './memory-volume.ts'
import { guestShm, isPodShm, shmFlags } from './shm.ts'
import { howToShow, watchedStorage } from './watched-volume.ts'

/** File systems that the guest's kernel makes out of nothing. Anything else would need a device or server of the host. */
const virtualTypes = new Set(
  'proc sysfs tmpfs ramfs devpts mqueue cgroup cgroup2 securityfs debugfs tracefs bpf configfs fusectl'.split(
    ' ',
  ),
)

export interface GuestMounts {
  readonly mounts: readonly OciMount[]
  /** Storages that the agent makes first. */
  readonly storages: readonly VolumeStorage[]
  /** Sources of volumes whose changes raise no inotify events in the guest, because they are too large to be copied. */
  readonly unwatched: readonly string[]
  /** Rights to the devices that are mounted: runc leaves them to the client, and a client has none for a hostPath. */
  readonly deviceRules: readonly DeviceRule[]
}

export interface GuestSide {
  /** Mounts that are disks of the machine, by their place: these are in the guest already. */
  readonly disks: ReadonlyMap<number, OciMount>
  /** {@link Share.addWatched} for a guest whose agent watches. */
  readonly addWatched: Share['addWatched']
  /** Volumes that are disks of the pod. */
  readonly emptyDirs: Pick<EmptyDirs, 'volumeOf'>
}

/**
 * Carries every mount of the spec.
 *
 * @throws KataError naming the mount and the container.
 */
export async function carryMounts(
  spec: OciSpec,
  containerId: string,
  share: Share,
  guest: GuestSide,
): Promise<GuestMounts> {
  const storages: VolumeStorage[] = []
  const unwatched: string[] = []
  const mounts: OciMount[] = []
  const deviceRules: DeviceRule[] = []
  const pod = { containerId, podUid: podUidOf(spec), isAlone: containerKind(spec) === 'single' }
  for (const [index, mount] of (spec.mounts ?? []).entries()) {
    checkPropagation(mount, containerId)
    const disk = guest.disks.get(index)
    const carried = disk === undefined ? await carryMount(mount, pod, share, guest) : { mount: disk }
    mounts.push(carried.mount)
    for (const storage of carried.storages ?? [])
      if (!storages.some(({ mountPoint }) => mountPoint === storage.mountPoint)) storages.push(storage)
    if (carried.isUnwatched) unwatched.push(mount.source ?? '')
    if (carried.deviceRule !== undefined) deviceRules.push(carried.deviceRule)
  }
  return { mounts, storages, unwatched, deviceRules }
}

/** The mounts of the spec that {@link carryMounts} would show in the share. */
export function sharedMounts(spec: OciSpec, containerId: string): OciMount[] {
  const podUid = podUidOf(spec)
  return (spec.mounts ?? []).filter(
    (mount) =>
      isBind(mount) &&
      !isPodShm(mount) &&
      (mountCaller(mount) !== undefined ||
        (!isGuestsOwn(mount.source ?? '') && memoryVolume(mount, containerId, podUid) === undefined)),
  )
}

interface CarriedMount {
  readonly mount: OciMount
  readonly storages?: readonly VolumeStorage[]
  readonly isUnwatched?: boolean
  readonly deviceRule?: DeviceRule
}

async function carryMount(
  mount: OciMount,
  {
    containerId,
    podUid,
    isAlone,
  }: { readonly containerId: string; readonly podUid: string | undefined; readonly isAlone: boolean },
  share: Share,
  { addWatched, emptyDirs }: Omit<GuestSide, 'disks'>,
): Promise<CarriedMount> {
  const { source = '', options = [] } = mount
  if (isPodShm(mount))
    return { mount: { ...mount, type: 'bind', source: guestShm, options: [...options, ...shmFlags] } }
  if (!isBind(mount)) return { mount: virtual(mount, containerId) }
  if (mountCaller(mount) !== undefined) return callersMount(mount, containerId, share)
  const volume =
    memoryVolume(mount, containerId, podUid) ?? (await emptyDirs.volumeOf(mount, containerId, podUid))
  if (volume !== undefined)
    return { mount: { ...mount, source: volume.guestPath }, storages: volume.storages }
  const device = charDevice(source)
  if (device !== undefined) return mountedDevice(mount, device)
  // What the path leads over on the host need not be in the guest.
  if (isKernels(source)) return { mount: { ...mount, source: normalPath(source) } }
  const way = addWatched === undefined ? 'shared' : howToShow(mount, containerId)
  const request = bindRequest(mount, podUid)
  const followIsOptional = isAlone && request.follow ? { followIsOptional: true } : {}
  const guestPath = await share.addBind(containerId, { ...request, ...followIsOptional })
  const shown = { ...mount, source: guestPath, options: [...options, ...hostFlags(source)] }
  if (addWatched === undefined || way !== 'watched') return { mount: shown, isUnwatched: way === 'too large' }
  const storage = watchedStorage(shown, containerId, await addWatched())
  return { mount: { ...shown, source: storage.mountPoint }, storages: [storage] }
}

/** Shared as it is: what the path looks like says nothing, because a user may give his directories any names. */
async function callersMount(mount: OciMount, containerId: string, share: Share): Promise<CarriedMount> {
  const source = await share.addBind(containerId, bindRequest(mount, undefined))
  return { mount: { ...mount, source, options: [...withoutCaller(mount.options ?? []), 'nosuid', 'nodev'] } }
}

/** What {@link carryMounts} asks the share for, for a container of the pod `podUid`. */
export function bindRequest(mount: OciMount, podUid: string | undefined): BindRequest {
  const { source = '', destination, options = [] } = mount
  const caller = mountCaller(mount)
  const isScratch = caller === undefined && isEmptyDir(source, podUid)
  return {
    source,
    destination,
    // All containers of the pod have the same scratch directory, whether they may write to it or not.
    readonly: !isScratch && isReadOnly(mount),
    recursive: options.includes('rbind'),
    follow: options.some((option) => option === 'slave' || option === 'rslave'),
    ...(isScratch ? { isScratch } : {}),
    ...(caller === undefined ? {} : { caller }),
  }
}

function isGuestsOwn(source: string): boolean {
  return isKernels(source) || charDevice(source) !== undefined
}

/** Kernel interfaces mean those of the kernel that the container runs on: the guest's. */
const isKernels = (source: string): boolean => /^\/(dev$|(proc|sys)(\/|$))/.test(normalPath(source))

/** The guest's device that a node of the host's /dev means, if it means one. */
function charDevice(path: string): GuestCharDevice | undefined {
  const source = normalPath(path)
  if (!source.startsWith('/dev/')) return undefined
  const facts = statSync(source, { throwIfNoEntry: false })
  return facts?.isCharacterDevice() === true ? guestCharDevice(facts.rdev) : undefined
}

function mountedDevice(mount: OciMount, { path, major, minor }: GuestCharDevice): CarriedMount {
  const access = isReadOnly(mount) ? 'r' : 'rw'
  return { mount: { ...mount, source: path }, deviceRule: { allow: true, type: 'c', major, minor, access } }
}

/**
 * What the host forbids on the mount that the source is on holds in the guest too. Mounts below it are submounts of the share, which the
 * guest's kernel mounts by itself, with the flags of their parent. To forbid what any of them forbids would make a volume of `/` noexec, by
 * the host's /proc.
 */
function hostFlags(source: string): string[] {
  return mountFlagsOf(source).filter((flag) => flag === 'nosuid' || flag === 'nodev' || flag === 'noexec')
}

function virtual(mount: OciMount, container: string): OciMount {
  const type = mount.type ?? 'none'
  if (virtualTypes.has(type)) return mount
  throw new KataError('MOUNT_TYPE', { destination: mount.destination, container, type })
}

/** A mount that a container makes is one of the guest's kernel: it cannot be handed to the host's. */
function checkPropagation({ destination, options = [] }: OciMount, container: string): void {
  const propagation = options.find((option) => option === 'shared' || option === 'rshared')
  if (propagation !== undefined)
    throw new KataError('MOUNT_PROPAGATION', { destination, container, propagation })
}
