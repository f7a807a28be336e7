/**
 * Memory-backed emptyDir volumes. kubelet mounts a tmpfs on the host for each. The content belongs in the pod's memory, so
 * the guest gets a tmpfs of the same size instead, which the pod's containers share.
 */
import { existsSync, lstatSync, type Stats, statfsSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { mountEntries } from '../../linux/mounts/mount.ts'
import { normalPath } from '../../oci/normal-path.ts'
import type { OciMount } from '../../oci/spec.ts'
import type { watchDriver } from '../../protocol/storage-drivers.ts'
import type { GuestStorage } from '../../sharing/share.ts'
import type { DiskAddress } from '../../vmm/machine/disk.ts'
import { subPathAt } from './sub-path.ts'

/** Kata's directory for them in the guest. */
const guestVolumes = '/run/kata-containers/sandbox/ephemeral'
const guestParts = '/run/kata-containers/sandbox/ephemeral-parts'
const tmpfsMagic = 0x01021994
const hugetlbfsMagic = 0x958458f6
/** kubelet's layout, whatever its root directory is. The first group is the uid of the pod. */
const volumePattern = /\/pods\/([^/]+)\/volumes\/kubernetes\.io~empty-dir\/[^/]+$/

/** What the agent is asked for: the volume, and the part of it that a `subPath` names. */
export interface MemoryVolume {
  readonly storages: readonly VolumeStorage[]
  /** Where the container's bind finds it in the guest. */
  readonly guestPath: string
}

/** A storage that the agent keeps for the whole pod, or makes anew. */
export interface VolumeStorage extends GuestStorage {
  readonly driver: 'ephemeral' | 'local' | typeof watchDriver | DiskAddress['driver']
  readonly shared: boolean
}

/**
 * Whether the source of a bind is an emptyDir of the pod `podUid`, on disk or in memory. The path of a hostPath is its author's choice, but it
 * is chosen before the pod has a uid. A client that names none makes no emptyDirs.
 */
export function isEmptyDir(source: string, podUid: string | undefined): boolean {
  const [, uid] = volumePattern.exec(source) ?? []
  return uid !== undefined && uid === podUid && normalPath(source) === source
}

/** The emptyDir whose `subPath` kubelet binds at `source`: a guess by its name, for a volume of any kind looks so. */
export function emptyDirPart(
  source: string,
  podUid: string | undefined,
): { volume: string; volumeName: string } | undefined {
  const part = subPathAt(source)
  if (part === undefined || normalPath(source) !== source) return undefined
  const { podDir, volumeName } = part
  const volume = `${podDir}/volumes/kubernetes.io~empty-dir/${volumeName}`
  return isEmptyDir(volume, podUid) ? { volume, volumeName } : undefined
}

/**
 * Undefined when the mount's source is not on a memory-backed emptyDir.
 *
 * @throws KataError SHARE_SOURCE_KIND for one of huge pages (`medium: HugePages`): they are pages of the host.
 */
export function memoryVolume(
  mount: OciMount,
  containerId: string,
  podUid: string | undefined,
): MemoryVolume | undefined {
  const source = mount.source ?? ''
  if (isEmptyDir(source, podUid)) {
    if (fileSystemOf(source) === hugetlbfsMagic)
      throw new KataError('SHARE_SOURCE_KIND', {
        source,
        container: containerId,
        kind: 'volume of huge pages',
      })
    const facts = tmpfsFacts(source)
    // On a host that keeps all of kubelet's files in memory a volume on disk is on a tmpfs too, but is no mount of its own.
    if (facts === undefined || lstatSync(dirname(source)).dev === facts.dev) return undefined
    const volume = wholeVolume(source, facts)
    return { storages: [volume], guestPath: volume.mountPoint }
  }
  const part = emptyDirPart(source, podUid)
  return part && partOfVolume(source, part.volume, containerId)
}

function wholeVolume(source: string, { mode, gid }: Stats): VolumeStorage {
  const { bsize, blocks } = statfsSync(source)
  const group = gid === 0 ? [] : [`fsgid=${gid}`]
  // A tmpfs without a limit of its own tells half of the host's memory, or nothing: the guest's kernel then decides.
  const size = blocks === 0 ? [] : [`size=${bsize * blocks}`]
  return {
    driver: 'ephemeral',
    source: 'tmpfs',
    fstype: 'tmpfs',
    options: [`mode=${(mode & 0o7777).toString(8)}`, ...size, ...group],
    mountPoint: `${guestVolumes}/${basename(source)}`,
    shared: true,
  }
}

/** kubelet binds a `subPath` to a place of its own; where inside the volume it lies is told by the mount table. */
function partOfVolume(source: string, volumePath: string, containerId: string): MemoryVolume | undefined {
  const facts = tmpfsFacts(volumePath)
  if (facts === undefined || statSync(source, { throwIfNoEntry: false })?.dev !== facts.dev) return undefined
  const entries = mountEntries()
  const volumeRoot = entries.findLast(({ point }) => point === volumePath)?.root
  const partRoot = entries.findLast(({ point }) => point === source)?.root
  const prefix = `${volumeRoot?.replace(/\/$/, '')}/`
  if (volumeRoot === undefined || partRoot === undefined || !partRoot.startsWith(prefix)) return undefined
  const volume = wholeVolume(volumePath, facts)
  const part: VolumeStorage = {
    driver: 'local',
    source: volume.mountPoint,
    fstype: '',
    options: partOptions(partRoot.slice(prefix.length), source),
    mountPoint: `${guestParts}/${containerId}-${basename(dirname(dirname(source)))}-${basename(source)}`,
    shared: false,
  }
  return { storages: [volume, part], guestPath: part.mountPoint }
}

/** kubelet has made the directory on the host, with the volume's mode and group: whatever user a container has can write to it. */
export function partOptions(subpath: string, source: string): string[] {
  const { mode, gid } = statSync(source)
  return [`subpath=${subpath}`, ...modeAndGroup(mode, gid)]
}

const modeAndGroup = (mode: number, gid: number): string[] => [
  `mode=${(mode & 0o7777).toString(8)}`,
  ...(gid === 0 ? [] : [`fsgid=${gid}`]),
]

/** Undefined when there is nothing, or no directory on a tmpfs. */
function tmpfsFacts(path: string): Stats | undefined {
  const facts = statSync(path, { throwIfNoEntry: false })
  return facts?.isDirectory() && fileSystemOf(path) === tmpfsMagic ? facts : undefined
}

/** Its magic number, as statfs(2) tells it. */
function fileSystemOf(path: string): number | undefined {
  return existsSync(path) ? statfsSync(path).type >>> 0 : undefined
}
