/** The pod's share, served with the fewest rights that its mounts allow. */
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { IdRange } from '../../linux/processes/user-namespace.ts'
import { podUidOf } from '../../oci/annotations.ts'
import { processIds } from '../../oci/process-ids.ts'
import { countAnswering } from '../../sharing/answering-sources.ts'
import { isOnlyRead } from '../../sharing/binds.ts'
import { createHostShare, createVolumeShare } from '../../sharing/host-share.ts'
import type { Idmap } from '../../sharing/idmap.ts'
import { type KnownMount, requireMappable } from '../../sharing/mappable.ts'
import { createPodShare, guardWritable } from '../../sharing/pod-share.ts'
import type { RootfsMount, Share, SharePlace } from '../../sharing/share.ts'
import { shareIdMap } from '../../sharing/share-id-map.ts'
import { createExportedTree, createShareTree, type ShareTree, showModules } from '../../sharing/share-tree.ts'
import type { ShareDaemon, ShareDaemonSpec } from '../../sharing/virtiofsd/share-daemon.ts'
import { startVirtiofsd } from '../../sharing/virtiofsd/virtiofsd.ts'
import { type ContainerRequest, rootfsMounts } from '../container-request.ts'
import { hasLayers } from '../disks/layered-rootfs.ts'
import { readyDisk } from '../disks/ready-rootfs.ts'
import { poolName, type SandboxPaths } from '../records/paths.ts'
import { bindRequest, sharedMounts } from './mounts.ts'
import { podVolumes } from './pod-volumes.ts'
import { firstShareCache } from './share-cache.ts'
import { requireSharedIds } from './share-ids.ts'
import { wantsVolumes } from './wants-volumes.ts'

export interface ShareRequest {
  readonly config: Config
  readonly paths: SandboxPaths
  readonly privateDir: string
  /** The user that connects to the daemon by path, if the VMM cannot be given a connection. */
  readonly clientUid?: number | undefined
  /** The ids of an unprivileged daemon; undefined if it is root. */
  readonly ids: IdRange | undefined
  /** The container that the sandbox is made for, whose mounts are known. Absent for a machine that waits for its pod. */
  readonly container: ContainerRequest | undefined
  /** The kernel modules of the guest's image; undefined when the guest has another kernel. */
  readonly modules: string | undefined
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** A share with its daemon, as the machine gets it. */
export interface ShareDevice extends SharePlace {
  readonly daemon: ShareDaemon
}

export interface ServedShare {
  /** What containers use. */
  readonly share: Share
  readonly first: ShareDevice
  /** The share of writable volumes, if there is one. */
  readonly volumes: ShareDevice | undefined
  /** Why the daemons are root; undefined when they are not. */
  readonly rootBecause: string | undefined
  /** Checks that it can serve a container that it was not made for. @throws KataError SHARE_NOT_IDMAPPABLE, SHARE_ID_BEYOND. */
  requireFit(container: ContainerRequest): Promise<void>
}

/** Errors that make a daemon root under `auto`. */
const refusals: ReadonlySet<string> = new Set(['SHARE_NOT_IDMAPPABLE', 'SHARE_ID_BEYOND'])

/**
 * Makes the share's tree and starts its daemon. Under `auto` a mount that cannot be idmapped makes the daemon root.
 *
 * @throws KataError SHARE_NOT_IDMAPPABLE or SHARE_ID_BEYOND if the daemon may not be root; errors of the daemon's start.
 */
export async function startShare(
  ledger: Ledger,
  { config, paths, privateDir, clientUid, ids, container, modules, signal }: ShareRequest,
): Promise<ServedShare> {
  const { virtioFsDaemon, virtioFsCache, virtioFsExtraArgs, virtioFsPrivilege, virtioFsNosuid } =
    config.hypervisor
  const { kubeletRootDir } = config.runtime
  const isGuarded = virtioFsNosuid
    ? () => false
    : guardWritable(config.hypervisor.virtioFsSuidVolumes, kubeletRootDir)
  const tree = await createShareTree(ledger, paths)
  const spec = {
    sharedDir: tree.exported,
    stateDir: paths.stateDir,
    privateDir,
    ...(clientUid === undefined ? {} : { clientUid }),
    program: virtioFsDaemon,
    cache: container === undefined ? virtioFsCache : firstShareCache(virtioFsCache, container, isGuarded),
    nosuid: virtioFsNosuid,
    extraArgs: virtioFsExtraArgs,
    signal,
  }
  const { daemon, rootBecause } = await startDaemon(ledger, spec, {
    ids,
    tree,
    first: container && { container, mounts: await knownMounts(container, kubeletRootDir) },
    isAuto: virtioFsPrivilege === 'auto',
  })
  // Like everything that is shared, only now: until its posture is checked, the daemon sees an empty root.
  if (modules !== undefined) await showModules(ledger, tree, modules)
  const first = createHostShare(ledger, tree, daemon)
  const hasVolumes =
    container === undefined
      ? !virtioFsNosuid
      : wantsVolumes(container, virtioFsNosuid ? undefined : isGuarded)
  const second = hasVolumes
    ? await startVolumes(ledger, paths, {
        ...spec,
        cache: virtioFsCache,
        ...(daemon.idmap && { ids: daemon.idmap.map }),
      })
    : undefined
  return {
    share: createPodShare({ first, volumes: second?.share, isGuarded }),
    first: { tag: first.tag, guestPath: first.guestPath, daemon },
    volumes: second?.device,
    rootBecause,
    async requireFit(later) {
      const mounts = await knownMounts(later, kubeletRootDir)
      if (daemon.idmap !== undefined) requireServable(daemon.idmap, later, mounts)
    },
  }
}

interface DaemonFor {
  readonly ids: IdRange | undefined
  readonly tree: ShareTree
  /** The container that it has to serve, with its {@link knownMounts}. */
  readonly first: { readonly container: ContainerRequest; readonly mounts: readonly KnownMount[] } | undefined
  /** Whether it becomes root where an unprivileged one cannot serve the container. */
  readonly isAuto: boolean
}

/** The daemon of the share, and why it is root if it is. */
async function startDaemon(
  ledger: Ledger,
  spec: ShareDaemonSpec,
  { ids, tree, first, isAuto }: DaemonFor,
): Promise<{ daemon: ShareDaemon; rootBecause: string | undefined }> {
  if (ids === undefined)
    return { daemon: await startVirtiofsd(ledger, spec), rootBecause: 'virtio_fs_privilege = "root"' }
  // Older kernels cannot idmap a tmpfs. Where the daemon may become root, the tree, a tmpfs, stands for later containers' volumes in memory.
  // Otherwise those volumes are refused by name.
  const treeMounts = isAuto ? [asBind(tree.entries)] : []
  const accept = (idmap: Idmap) => {
    if (first === undefined) requireMappable(treeMounts, idmap, poolName)
    else requireServable(idmap, first.container, [...first.mounts, ...treeMounts])
  }
  const needed = first === undefined ? [] : processIds(first.container.spec)
  try {
    const daemon = await startVirtiofsd(ledger, { ...spec, ids: shareIdMap(ids, needed), accept })
    return { daemon, rootBecause: undefined }
  } catch (error) {
    if (!isAuto || !(error instanceof KataError && refusals.has(error.code))) throw error
    return { daemon: await startVirtiofsd(ledger, spec), rootBecause: error.rawMessage }
  }
}

/** Checks that an unprivileged daemon can serve a container. @throws KataError SHARE_NOT_IDMAPPABLE, SHARE_ID_BEYOND. */
function requireServable(idmap: Idmap, { spec, id }: ContainerRequest, mounts: readonly KnownMount[]): void {
  requireSharedIds(spec, id, idmap.map)
  requireMappable(mounts, idmap, id)
}

/** The daemon of the writable volumes. It has the first one's user, and refuses set-id bits and file capabilities. */
async function startVolumes(
  ledger: Ledger,
  { stateDir, volumesExportDir }: SandboxPaths,
  spec: ShareDaemonSpec,
) {
  const tree = await createExportedTree(ledger, { stateDir, exportDir: volumesExportDir }, 'volumes')
  const daemon = await startVirtiofsd(ledger, {
    ...spec,
    name: 'virtiofsd-volumes',
    nosuid: true,
    sharedDir: tree.exported,
  })
  const share = createVolumeShare(ledger, tree, daemon)
  return { share, device: { tag: share.tag, guestPath: share.guestPath, daemon } }
}

/**
 * The mounts of the pod that are known before its first container is made. A volume whose server does not answer, and those after it in the
 * list, are left to the containers that mount them.
 */
async function knownMounts(container: ContainerRequest, kubeletRootDir: string): Promise<KnownMount[]> {
  const { spec, id } = container
  const rootfs = rootfsMounts(container)
  const ofContainer = sharedMounts(spec, id).map((mount) => bindRequest(mount, podUidOf(spec)))
  const ofPod = podVolumes(spec, kubeletRootDir)
  return [
    ...(readyDisk(rootfs) === undefined && !hasLayers(rootfs) ? rootfs : []),
    ...ofContainer.map((bind) => ({ ...asBind(bind.source), isOnlyRead: isOnlyRead(bind) })),
    ...ofPod.slice(0, await countAnswering(ofPod)).map(asBind),
  ]
}

const asBind = (source: string): RootfsMount => ({ type: 'bind', source, options: ['rbind'] })
