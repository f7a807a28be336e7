/**
 * Volumes that kubelet makes for a pod. Only root can enter their directory, so no other user of the host can run a set-user-id program in
 * one. They may keep the bits. Programs change modes of directories there (`chmod 700` of a database on its data directory), and under
 * `fsGroup` these have the set-group-id bit, which a filter cannot tell from a file's.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { hasAcl } from '../linux/acl.ts'
import type { MountEntry } from '../linux/mounts/mount.ts'

/** Mounts from elsewhere on the host, where other users may reach the files: `local` volumes, and `subPath` of any volume. */
const volume = /^\/[^/]+\/volumes\/(?!kubernetes\.io~local-volume\/)./
const [groupMayEnter, othersMayEnter] = [0o010, 0o001]

/**
 * Whether `path` is such a volume or lies in one, and only root can enter its directory. `kubelet` is the kubelet's root directory. Both
 * are without links. `mount` is what the path lies on; undefined when that is not known, which might be anything.
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
 * A mount of a volume that is a directory of some file system, and not the whole of one: a driver (CSI) has bound it from where it keeps it. Of a
 * mount of NFS the kernel does not tell which directory it shows.
 */
const isFromElsewhere = ({ point, root, type }: MountEntry, podsDir: string): boolean =>
  point.startsWith(`${podsDir}/`) && (root !== '/' || /^nfs4?$/.test(type))
