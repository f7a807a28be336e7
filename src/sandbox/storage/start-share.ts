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
import { createExportedTree, createShareTree, showModules } from '../../sharing/share-tree.ts'
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
  /** The user that connects to the daemon by path, when the VMM cannot be given a connection. */
  readonly clientUid?: number | undefined
  /** The ids of an unprivileged daemon; none when it is to be root. */
  readonly ids: IdRange | undefined
  /** The container that the sandbox is made for: what it mounts is known already. Absent for a machine that waits for its pod. */
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
  /** The writable volumes', when there is to be one. */
  readonly volumes: ShareDevice | undefined
  /** Why the daemons are root; undefined when they are not. */
  readonly rootBecause: string | undefined
  /** Whether it can serve the pod of a container that it was not made for. @throws KataError SHARE_NOT_IDMAPPABLE, SHARE_ID_BEYOND. */
  requireFit(container: ContainerRequest): Promise<void>
}

/** What makes a daemon root under `auto`. */
const refusals: ReadonlySet<string> = new Set(['SHARE_NOT_IDMAPPABLE', 'SHARE_ID_BEYOND'])

/**
 * Makes the share's tree and starts its daemon. Under `auto` a mount that cannot be idmapped makes the daemon root.
 *
 * @throws KataError SHARE_NOT_IDMAPPABLE or SHARE_ID_BEYOND when it may only be unprivileged, and those of the
 *   daemon's start.
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
  const isAuto = virtioFsPrivilege === 'auto'
  const requireFit = (idmap: Idmap, { spec, id }: ContainerRequest, mounts: readonly KnownMount[]) => {
    requireSharedIds(spec, id, idmap.map)
    requireMappable(mounts, idmap, id)
  }
  const own = isAuto ? [asBind(tree.entries)] : []
  const known = container && (await knownMounts(container, kubeletRootDir))
  const accept = (idmap: Idmap) => {
    if (container === undefined || known === undefined) requireMappable(own, idmap, poolName)
    else requireFit(idmap, container, [...known, ...own])
  }
  const needed = container === undefined ? [] : processIds(container.spec)
  const unprivileged = ids === undefined ? {} : { ids: shareIdMap(ids, needed), accept }
  let rootBecause = ids === undefined ? 'virtio_fs_privilege = "root"' : undefined
  const daemon = await startVirtiofsd(ledger, { ...spec, ...unprivileged }).catch((error) => {
    if (!isAuto || !(error instanceof KataError && refusals.has(error.code))) throw error
    rootBecause = error.rawMessage
    return startVirtiofsd(ledger, spec)
  })
  // Like all that is shared: the daemon has been checked by now, and sees nothing but its root until then.
  if (modules !== undefined) await showModules(ledger, tree, modules)
  const first = createHostShare(ledger, tree, daemon)
  const second = (
    container === undefined
      ? !virtioFsNosuid
      : wantsVolumes(container, virtioFsNosuid ? undefined : isGuarded)
  )
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
      if (daemon.idmap !== undefined) requireFit(daemon.idmap, later, mounts)
    },
  }
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
 * The mounts of the pod that are known before its first container is made. Older kernels cannot idmap a tmpfs. Where the daemon
 * may become root, the tree itself stands for later containers' volumes in memory; else those are refused by name. A volume that does
 * not answer, and those behind it, are left to the containers that mount them.
 */
async function knownMounts(container: ContainerRequest, kubeletRootDir: string): Promise<KnownMount[]> {
  const { spec, id } = container
  const rootfs = rootfsMounts(container)
  const own = sharedMounts(spec, id).map((mount) => bindRequest(mount, podUidOf(spec)))
  const ofPod = podVolumes(spec, kubeletRootDir)
  return [
    ...(readyDisk(rootfs) === undefined && !hasLayers(rootfs) ? rootfs : []),
    ...own.map((bind) => ({ ...asBind(bind.source), isOnlyRead: isOnlyRead(bind) })),
    ...ofPod.slice(0, await countAnswering(ofPod)).map(asBind),
  ]
}

const asBind = (source: string): RootfsMount => ({ type: 'bind', source, options: ['rbind'] })
