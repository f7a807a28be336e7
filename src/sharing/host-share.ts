/** The share of one pod: a tree of mounts on the host, and the daemon that serves it to the guest. */
import { closeSync } from 'node:fs'
import { basename } from 'node:path'
import { KataError } from '../errors.ts'
import { isIdentifier } from '../identifier.ts'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { bindTree, mountAttributes } from '../linux/mount-tree.ts'
import { directoryResource, mountResource } from './resources.ts'
import { mountRootfs } from './rootfs-mount.ts'
import type { RootfsMount, Share } from './share.ts'
import type { ShareDaemon } from './share-daemon.ts'
import { makeDirectory, makeFile, mountAt, type ShareTree } from './share-tree.ts'
import { openSource } from './source.ts'

/** Kata's names: the virtiofs tag, and where the agent mounts it. */
export const kataShared = 'kataShared'
export const kataGuestSharedDir = '/run/kata-containers/shared/containers'
/** Longest part of a mount destination that goes into an entry's name. */
const maxNameBytes = 64

/** Puts a share together from its tree and its daemon; both stay in `ledger`, which releases them. */
export function createHostShare(ledger: Ledger, tree: ShareTree, daemon: ShareDaemon): Share {
  return {
    tag: kataShared,
    guestPath: kataGuestSharedDir,
    exited: daemon.exited,
    connect: () => daemon.connect(),
    addRootfs: (containerId, mounts) => addRootfs(ledger, tree, containerId, mounts),
    addBind: (containerId, mount) => addBind(ledger, tree, containerId, mount),
    removeContainer: (containerId) => removeContainer(ledger, containerId),
  }
}

/** Identifiers become names in the share. */
function checkedId(containerId: string): string {
  if (!isIdentifier(containerId)) throw new KataError('ID_INVALID', { id: containerId })
  return containerId
}

async function addRootfs(
  ledger: Ledger,
  tree: ShareTree,
  containerId: string,
  mounts: readonly RootfsMount[],
): Promise<string> {
  const entry = checkedId(containerId)
  const target = `${tree.entries}/${entry}/rootfs`
  if (mounts.length === 0)
    throw new KataError('SHARE_MOUNT_INVALID', { what: 'empty list', reason: 'a root file system is needed' })
  try {
    await makeDirectory(ledger, `${tree.entries}/${entry}`, containerId)
    await makeDirectory(ledger, target, containerId)
    for (const mount of mounts)
      await mountAt(ledger, target, containerId, () => mountRootfs(mount, target, containerId))
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'SHARE_ENTRY_TAKEN'))
      await removeContainer(ledger, containerId)
    throw error
  }
  return `${kataGuestSharedDir}/${entry}/rootfs`
}

async function addBind(
  ledger: Ledger,
  tree: ShareTree,
  containerId: string,
  mount: { source: string; destination: string; readonly: boolean; recursive: boolean },
): Promise<string> {
  const entry = bindEntryName(checkedId(containerId), mount.destination)
  const target = `${tree.entries}/${entry}`
  const { fd, kind } = openSource(mount.source, containerId)
  try {
    if (kind === 'directory') await makeDirectory(ledger, target, containerId)
    else await makeFile(ledger, target, containerId)
    const attributes = mount.readonly ? mountAttributes.ro : 0
    await mountAt(ledger, target, containerId, () =>
      bindTree(fd, target, { recursive: mount.recursive, attributes }),
    )
  } catch (error) {
    await ledger.release(directoryResource, ({ path }) => path === target)
    throw error
  } finally {
    closeSync(fd)
  }
  return `${kataGuestSharedDir}/${entry}`
}

/** `<cid>-<16 hex>-<basename>` as in Kata; of the destination only its last part is used, cleaned. */
export function bindEntryName(containerId: string, destination: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')
  const name = basename(destination)
    .replace(/[^A-Za-z0-9_.-]/g, '_')
    .slice(0, maxNameBytes)
  return `${containerId}-${random}-${name || 'mount'}`
}

/** Mounts first, then their mount points; newest first within each. */
async function removeContainer(ledger: Ledger, containerId: string): Promise<void> {
  await releaseOwned(ledger, mountResource, containerId)
  await releaseOwned(ledger, directoryResource, containerId)
}

async function releaseOwned<Data extends { readonly owner: string }>(
  ledger: Ledger,
  kind: ResourceKind<Data>,
  owner: string,
): Promise<void> {
  const owned = ledger.dataOf(kind).filter((data) => data.owner === owner)
  for (const _ of owned) await ledger.release(kind, (data) => data.owner === owner)
}
