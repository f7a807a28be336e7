/**
 * The volumes that kubelet makes for a pod. It lets only root enter their directory, so a set-user-id program in one of them gives
 * no user of the host anything. They may keep the bits: programs change modes of directories there (`chmod 700` of a database on
 * its data directory), and under `fsGroup` these have the set-group-id bit, which a filter cannot tell from a file's.
 */
import { statSync } from 'node:fs'

const defaultPodsDir = '/var/lib/kubelet/pods'
/** Mounted there from elsewhere on the host, where others may get to it: `local` volumes, and what `subPath` takes of any volume. */
const volume = /^\/[^/]+\/volumes\/(?!kubernetes\.io~local-volume\/)./
const othersMayEnter = 0o001

/** Whether `path`, without links in it, is such a volume or lies in one, and its directory is root's alone. */
export function isKubeletVolume(path: string, podsDir = defaultPodsDir): boolean {
  if (!path.startsWith(`${podsDir}/`) || !volume.test(path.slice(podsDir.length))) return false
  const { uid, mode } = statSync(podsDir)
  return uid === 0 && (mode & othersMayEnter) === 0
}
