/** The share of one pod: a tree of mounts on the host, and the daemon that serves it to the guest. */
import { KataError } from '../errors.ts'
import { isIdentifier } from '../identifier.ts'
import { everyStep } from '../ledger/every-step.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { createBinds } from './binds.ts'
import type { Idmap } from './idmap.ts'
import { releaseOwner } from './resources.ts'
import { mountRootfs } from './rootfs/rootfs-mount.ts'
import type { GuestRootfs, HostShare, RootfsMount, VolumeShare } from './share.ts'
import { type ExportedTree, makeDirectory, mountAt, type ShareTree } from './share-tree.ts'
import { createStreamBuffer, type StreamBuffer } from './stream-buffer.ts'
import type { ShareDaemon } from './virtiofsd/share-daemon.ts'

/** Kata's names: the virtiofs tag, and where the agent mounts it. */
const kataShared = 'kataShared'
export const kataGuestSharedDir = '/run/kata-containers/shared/containers'
/** Kata's name of a directory for the agent's mounts. The host makes it, because the share is read-only for the agent. */
const watchedName = 'watchable'
/** Our own names, for the volumes' share. */
const kataVolumes = 'kataVolumes'
const guestVolumesDir = '/run/kata-containers/shared/volumes'

/** Makes a share from its tree and its daemon. Both stay in `ledger`, which releases them. */
export function createHostShare(ledger: Ledger, tree: ShareTree, daemon: ShareDaemon): HostShare {
  const binds = createBinds(ledger, tree, daemon.idmap)
  const roots = createRoots(ledger, tree, daemon.idmap)
  let watched: Promise<void> | undefined
  let buffer: Promise<StreamBuffer> | undefined
  return {
    tag: kataShared,
    guestPath: kataGuestSharedDir,
    idMap: daemon.idmap?.map,
    async addWatched() {
      watched ??= makeDirectory(ledger, `${tree.entries}/${watchedName}`, '')
      await watched
      return `${kataGuestSharedDir}/${watchedName}`
    },
    streamBuffer() {
      buffer ??= createStreamBuffer(ledger, tree, daemon.idmap)
      return buffer
    },
    exited: daemon.exited,
    connect: () => daemon.connect(),
    addRootfs: async (containerId, mounts) => roots.add(checkedId(containerId), mounts),
    addBind: async (containerId, bind) =>
      `${kataGuestSharedDir}/${await binds.add(checkedId(containerId), bind)}`,
    removeContainer: (containerId) =>
      everyStep([() => binds.leave(containerId), () => roots.leave(containerId)]),
  }
}

/** Makes the volumes' share: {@link createHostShare} without root file systems. */
export function createVolumeShare(
  ledger: Ledger,
  { entries }: ExportedTree,
  daemon: ShareDaemon,
): VolumeShare {
  const binds = createBinds(ledger, { entries }, daemon.idmap)
  return {
    tag: kataVolumes,
    guestPath: guestVolumesDir,
    exited: daemon.exited,
    connect: () => daemon.connect(),
    addBind: async (containerId, bind) =>
      `${guestVolumesDir}/${await binds.add(checkedId(containerId), bind)}`,
    removeContainer: (containerId) => binds.leave(containerId),
  }
}

/** Checks an identifier, because it becomes a name in the share. @throws KataError ID_INVALID. */
function checkedId(containerId: string): string {
  if (!isIdentifier(containerId)) throw new KataError('ID_INVALID', { id: containerId })
  return containerId
}

/**
 * Root file systems in the share. The guest's kernel caches names of the share for a while. If a container got the name of a removed container,
 * the guest could take the old root file system for the new one. So a name has the number of containers that were removed before, and no list of
 * them is needed.
 */
function createRoots(ledger: Ledger, { entries, scratch }: ShareTree, idmap: Idmap | undefined) {
  let gone = 0
  /** Names in the share of the present containers, by id. */
  const names = new Map<string, string>()

  const leave = async (id: string) => {
    gone++
    names.delete(id)
    await releaseOwner(ledger, id)
  }
  /** An identifier has no tilde, so the name cannot be another container's. */
  const freshName = (id: string) => (gone === 0 ? id : `${id}~${gone}`)

  const add = async (id: string, mounts: readonly RootfsMount[]): Promise<GuestRootfs> => {
    if (mounts.length === 0)
      throw new KataError('SHARE_MOUNT_INVALID', {
        what: 'empty list',
        reason: 'a root file system is needed',
      })
    const entry = names.get(id) ?? freshName(id)
    names.set(id, entry)
    const target = `${entries}/${entry}/rootfs`
    try {
      await makeDirectory(ledger, `${entries}/${entry}`, id)
      await makeDirectory(ledger, target, id)
      for (const mount of mounts)
        await mountAt(ledger, target, id, () => mountRootfs(mount, { target, container: id, idmap, scratch }))
    } catch (error) {
      if (!(error instanceof KataError && error.code === 'SHARE_ENTRY_TAKEN')) await leave(id)
      throw error
    }
    return { path: `${kataGuestSharedDir}/${entry}/rootfs`, storages: [] }
  }

  return { add, leave }
}
