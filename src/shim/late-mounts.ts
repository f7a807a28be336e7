/**
 * Mounts that the client made after the shim of the pod began. The shim's mount namespace is a slave of the client's, so a shared mount
 * reaches it by itself. A private one does not, and the shim would show the empty directory below it to the container. That is the usual
 * case with CRI-O, whose storage makes its directory private and mounts a root file system for each container there.
 *
 * The shim looks when a container is made, because not every client runs `start` for each: containerd 2 connects to the pod's shim. Only a
 * process in the client's namespace can copy its mounts, so another one does (show-mounts.ts).
 */
import { realpathSync } from 'node:fs'
import { readLateMounts, writeLateMounts } from '../bundle/late-mounts.ts'
import { KataError } from '../errors.ts'
import { unmount } from '../linux/mounts/mount.ts'
import { isBind } from '../oci/mounts.ts'
import type { OciSpec } from '../oci/spec.ts'
import { hiddenMounts } from './hidden-mounts.ts'

export interface LateContainer {
  readonly id: string
  readonly spec: Pick<OciSpec, 'root' | 'mounts' | 'linux'>
  readonly bundle: string
}

/** Copies the mounts that the bundle lists out of the namespace of `client`. Resolves with the one that failed and its errno. */
export type MountShower = (
  bundle: string,
  client: number,
) => Promise<{ readonly point: string; readonly errno: string } | undefined>

/** What a container has of the client's mount namespace: what it mounts, and its network namespace, which is a mount at its path. */
export function mountedSources({ root, mounts = [], linux }: LateContainer['spec']): string[] {
  const networks = (linux?.namespaces ?? []).filter(({ type }) => type === 'network')
  const sources = [
    root?.path ?? '',
    ...mounts.filter(isBind).map(({ source = '' }) => source),
    ...networks.map(({ path = '' }) => path),
  ]
  return sources.filter((source) => source.startsWith('/'))
}

/**
 * In the shim: shows it the mounts of its client that a container is made of and that it does not see, and notes them in the bundle.
 *
 * @param client the process that asks for the container.
 * @throws KataError SHARE_SOURCE_HIDDEN when that is not possible.
 */
export async function showLateMounts(
  { id, spec, bundle }: LateContainer,
  client: number,
  show: MountShower,
): Promise<void> {
  const points = hiddenMounts(mountedSources(spec), client)
  if (points.length === 0) return
  writeLateMounts(bundle, points)
  const failure = await show(bundle, client)
  if (failure !== undefined) throw new KataError('SHARE_SOURCE_HIDDEN', { container: id, ...failure })
}

/**
 * In the shim, once it has made its own mounts of the container: a root file system that was shown to it must not stay in use until the
 * pod ends. Volumes stay, as other containers may have them too.
 */
export function leaveLateRootfs(bundle: string, { root }: Pick<OciSpec, 'root'>): void {
  const points = readLateMounts(bundle)
  if (root === undefined || points.length === 0) return
  // The points have no links, and the client's path may have some.
  const path = realpathSync(root.path)
  if (points.includes(path)) unmount(path)
}
