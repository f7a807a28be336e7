/**
 * Recognizes volumes that kubelet makes for a pod. They may keep set-user-id and set-group-id bits: only root can enter their directory, so no
 * other user of the host can run such a program there. Filtering the bits would break programs: with `fsGroup` directories have the set-group-id
 * bit, which a filter cannot tell from a file's when a program changes their mode (a database's `chmod 700` on its data directory).
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { hasAcl } from '../linux/acl.ts'
import type { MountEntry } from '../linux/mounts/mount.ts'

/**
 * Paths of volumes, except those that lie elsewhere on the host, where other users may reach the files: `local` volumes, and `subPath` of any
 * volume.
 */
const volume = /^\/[^/]+\/volumes\/(?!kubernetes\.io~local-volume\/)./
const [groupMayEnter, othersMayEnter] = [0o010, 0o001]

/**
 * Whether `path` is a volume of kubelet or lies in one, and only root can enter the directory. `kubelet` is the kubelet's root directory. Both
 * paths have no links. `mount` is the mount that the path lies on; if it is unknown, the answer is no.
 */
export function isKubeletVolume(path: string, kubelet: string, mount: MountEntry | undefined): boolean {
  const podsDir = join(kubelet, 'pods')
  if (!path.startsWith(`${podsDir}/`) || !volume.test(path.slice(podsDir.length))) return false
  if (mount === undefined || isFromElsewhere(mount, podsDir)) return false
  const { uid, gid, mode } = statSync(podsDir)
  if (uid !== 0 || (mode & othersMayEnter) !== 0) return false
  return (mode & groupMayEnter) === 0 || (gid === 0 && !hasAcl(podsDir))
}

/**
 * Whether the mount shows only a directory of its file system, because a driver (CSI) has bound the volume from elsewhere on the host. For NFS
 * the kernel does not tell, so any NFS mount counts.
 */
const isFromElsewhere = ({ point, root, type }: MountEntry, podsDir: string): boolean =>
  point.startsWith(`${podsDir}/`) && (root !== '/' || /^nfs4?$/.test(type))
