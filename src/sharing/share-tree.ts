/**
 * The host's side of a share. `<stateDir>/share` holds one entry for each root file system and bind of the pod. `exportDir` is a read-only
 * view of it, which the daemon serves. So the guest can write to the mounts made for it, and never to the tree itself: it can plant no
 * entries and cannot fill /run.
 *
 * `share` is a shared mount in a peer group of its own, and `export` is its slave. A later mount under `share` appears under `export`,
 * also in the daemon's own mount namespace.
 */
import { chmodSync, closeSync, lstatSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../linux/mounts/mount-tree.ts'
import { directoryResource, mountResource } from './resources.ts'

export interface ExportedTree {
  /** Where entries are mounted. */
  readonly entries: string
  /** What the daemon serves. */
  readonly exported: string
}

export interface ShareTree extends ExportedTree {
  /** For auxiliary mounts. The daemon does not see it. */
  readonly scratch: string
}

export interface TreePlace {
  readonly stateDir: string
  readonly exportDir: string
}

/** A tree with a place for root file systems. @throws SyscallError of mount(2) and related calls. */
export async function createShareTree(ledger: Ledger, place: TreePlace): Promise<ShareTree> {
  const tree = await createExportedTree(ledger, place, 'share')
  const scratch = `${realpathSync(place.stateDir)}/scratch`
  await makeDirectory(ledger, scratch, '')
  await mountAt(ledger, scratch, '', () => bind(scratch, scratch, 0))
  return { ...tree, scratch }
}

/**
 * Makes the directories and mounts, each through the ledger. Every user can walk to `exportDir`, because the daemon has to. The mounts
 * exist only in the runtime's own mount namespace, which no other user enters.
 *
 * @param name of the directory of the entries.
 * @throws SyscallError of mount(2) and related calls.
 */
export async function createExportedTree(
  ledger: Ledger,
  { stateDir, exportDir }: TreePlace,
  name: string,
): Promise<ExportedTree> {
  // The mount table shows real paths; the ledger must hold the same ones.
  const entries = `${realpathSync(stateDir)}/${name}`
  const exported = `${realpathSync(dirname(exportDir))}/${basename(exportDir)}`
  await makeDirectory(ledger, entries, '')
  await makeDirectory(ledger, exported, '')
  await mountAt(ledger, entries, '', () => bind(entries, entries, 0))
  mount({ source: 'none', target: entries, flags: mountFlags.shared })
  const { ro, nosuid, nodev, noexec } = mountAttributes
  await mountAt(ledger, exported, '', () => {
    // A plain bind joins the peer group of `entries`. As a slave it receives the group's mounts and keeps its own to itself.
    mount({ source: entries, target: exported, flags: mountFlags.bind })
    mount({ source: 'none', target: exported, flags: mountFlags.slave })
    const flags = mountFlags.bind | mountFlags.remount | ro | nosuid | nodev | noexec
    mount({ source: 'none', target: exported, flags })
  })
  return { entries, exported }
}

/** The name where the guest's agent looks for the archive. No container has it, because no id begins with a dot. */
export const moduleArchiveName = '.kernel-modules'

/**
 * Shows the guest the kernel modules of its image. Every user may read the file, so the mount needs no id map.
 *
 * @throws SyscallError from mount(2) and related calls.
 */
export async function showModules(ledger: Ledger, { entries }: ExportedTree, file: string): Promise<void> {
  const target = `${entries}/${moduleArchiveName}`
  const { ro, nosuid, nodev, noexec } = mountAttributes
  await makeFile(ledger, target, '')
  await mountAt(ledger, target, '', () => bind(file, target, ro | nosuid | nodev | noexec))
}

/**
 * Makes a directory that root owns and any user may enter, because the daemon may be any user. The state directory above keeps other users out.
 *
 * @throws KataError SHARE_ENTRY_TAKEN if the path exists.
 */
export function makeDirectory(ledger: Ledger, path: string, owner: string): Promise<void> {
  return makeEntry(ledger, path, owner, () => {
    mkdirSync(path)
    chmodSync(path, 0o755)
  })
}

/** Makes an empty file as a mount point for a file. @throws KataError SHARE_ENTRY_TAKEN if the path exists. */
export function makeFile(ledger: Ledger, path: string, owner: string): Promise<void> {
  return makeEntry(ledger, path, owner, () => writeFileSync(path, '', { mode: 0o600, flag: 'wx' }))
}

function makeEntry(ledger: Ledger, path: string, owner: string, make: () => void): Promise<void> {
  // This check comes before the ledger's entry: releasing the entry after a failure must not remove files that are not ours.
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new KataError('SHARE_ENTRY_TAKEN', { path })
  return ledger.take(directoryResource, { path, owner }, make)
}

/** Runs `perform`, which mounts something on `target`. The ledger has the mount before. */
export function mountAt(ledger: Ledger, target: string, owner: string, perform: () => void): Promise<void> {
  return ledger.take(mountResource, { target, owner }, perform)
}

function bind(source: string, target: string, attributes: number): void {
  const fd = openLocation(source)
  try {
    bindTree(fd, target, { attributes })
  } finally {
    closeSync(fd)
  }
}
