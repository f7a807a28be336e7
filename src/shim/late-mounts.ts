/**
 * Mounts that the client made after the shim of the pod began. The shim's mount namespace is a slave of the client's, so a shared mount
 * reaches it by itself. A private one does not, and the shim would show the empty directory below it to the container. That is the usual
 * case with CRI-O, whose storage makes its directory private and mounts a root file system for each container there.
 *
 * `start` runs in the client's namespace, for each container. It copies such mounts over.
 */
import { closeSync, realpathSync, statSync } from 'node:fs'
import { readLateMounts, writeLateMounts } from '../bundle/late-mounts.ts'
import { KataError } from '../errors.ts'
import { closing, O_PATH, openAt, resolve, workingDirectory } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { enterMountNamespace } from '../linux/mounts/enter-namespace.ts'
import { mountPoints, unmount } from '../linux/mounts/mount.ts'
import { attachTreeAt, cloneTree } from '../linux/mounts/mount-tree.ts'
import { isBind } from '../oci/mounts.ts'
import type { OciSpec } from '../oci/spec.ts'

/** What a container mounts of the client's namespace. */
export function mountedSources({ root, mounts = [] }: Pick<OciSpec, 'root' | 'mounts'>): string[] {
  const sources = [root?.path ?? '', ...mounts.filter(isBind).map(({ source = '' }) => source)]
  return sources.filter((source) => source.startsWith('/'))
}

/** The mounts on the way to `sources` that process `pid` does not see; what is mounted below them is not listed. */
export function hiddenMounts(sources: readonly string[], pid: number): string[] {
  const points = [...new Set(mountPoints())].sort((one, other) => one.length - other.length)
  const hidden = sources.flatMap((source) => {
    const path = realPath(source)
    const way = path === undefined ? [] : points.filter((point) => isAtOrBelow(path, point))
    return way.find((point) => !isSame(point, `/proc/${pid}/root${point}`)) ?? []
  })
  return [...new Set(hidden)]
}

/**
 * Shows the container of `bundle` the mounts of the calling process that the shim `pid` does not see, and notes them in the bundle. If there
 * are any, the calling process is in the shim's namespace from then on.
 *
 * @throws KataError SHARE_SOURCE_HIDDEN when that is not possible.
 */
export function showLateMounts(
  { spec, bundle, container }: { spec: OciSpec; bundle: string; container: string },
  pid: number,
): void {
  const points = hiddenMounts(mountedSources(spec), pid)
  if (points.length === 0) return
  writeLateMounts(bundle, points)
  let point = points[0]!
  try {
    const trees = points.map((at) => {
      point = at
      return { at, tree: closing(locate(at), (fd) => cloneTree(fd, { recursive: true })) }
    })
    enterMountNamespace(pid)
    for (const { at, tree } of trees) {
      point = at
      closing(locate(at), (fd) => attachTreeAt(tree, fd))
      closeSync(tree)
    }
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause
    throw new KataError('SHARE_SOURCE_HIDDEN', { container, point, errno: cause.errno }, { cause })
  }
}

/**
 * In the shim, once it has made its own mounts of the container: a root file system that was shown to it must not stay in use until the
 * pod ends. Volumes stay, as other containers may have them too.
 */
export function leaveLateRootfs(bundle: string, { root }: Pick<OciSpec, 'root'>): void {
  const path = root?.path
  if (path !== undefined && readLateMounts(bundle).includes(path)) unmount(path)
}

/** Without following links: a pod may have made them. */
const locate = (point: string): number =>
  openAt(workingDirectory, point, O_PATH, resolve.noSymlinks | resolve.noMagiclinks)

/** Undefined for a source that is not there; making the container says so. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const isAtOrBelow = (path: string, point: string) => `${path}/`.startsWith(point === '/' ? '/' : `${point}/`)

/** Whether both paths are one file of one file system, as far as they can be looked at. */
function isSame(one: string, other: string): boolean {
  const [ours, theirs] = [one, other].map((path) => {
    try {
      const { dev, ino } = statSync(path, { bigint: true })
      return `${dev}:${ino}`
    } catch {
      return undefined
    }
  })
  return ours === undefined || ours === theirs
}
