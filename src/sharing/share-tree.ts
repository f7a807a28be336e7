/**
 * The host side of a share: `<stateDir>/share` holds one entry for each root file system and bind of the pod, and
 * `exportDir` is a read-only view of it that the daemon serves. So the guest can write into what was mounted
 * for it, and never into the tree itself (no planted entries, no filling of /run).
 *
 * `share` is a shared mount of a peer group of its own, `export` a slave of it: a mount made later under `share`
 * appears under `export`, also in the mount namespace that the daemon makes for itself.
 */
import { chmodSync, closeSync, lstatSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../linux/mounts/mount-tree.ts'
import { directoryResource, mountResource } from './resources.ts'

/** Kata's name. The agent mounts something there, and can make nothing in a share that is read-only for it. */
export const watchedName = 'watchable'

export interface ExportedTree {
  /** Where entries are mounted. */
  readonly entries: string
  /** What the daemon serves. */
  readonly exported: string
}

export interface ShareTree extends ExportedTree {
  /** For mounts that only serve to make others; the daemon does not see it. */
  readonly scratch: string
}

export interface TreePlace {
  readonly stateDir: string
  readonly exportDir: string
}

/** A tree that root file systems can come to, too. @throws SyscallError from mount(2) and its kin. */
export async function createShareTree(ledger: Ledger, place: TreePlace): Promise<ShareTree> {
  const tree = await createExportedTree(ledger, place, 'share')
  await makeDirectory(ledger, `${tree.entries}/${watchedName}`, '')
  const scratch = `${realpathSync(place.stateDir)}/scratch`
  await makeDirectory(ledger, scratch, '')
  await mountAt(ledger, scratch, '', () => bind(scratch, scratch, 0))
  return { ...tree, scratch }
}

/**
 * Makes the directories and mounts, each through the ledger. The way to `exportDir` is open to everybody, because the
 * daemon walks it; the mounts themselves are those of the runtime's own mount namespace, where nobody else is.
 *
 * @param name of the directory of the entries.
 * @throws SyscallError from mount(2) and its kin.
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
    // A plain bind joins the peer group of `entries`; made a slave, it receives its mounts and keeps its own.
    mount({ source: entries, target: exported, flags: mountFlags.bind })
    mount({ source: 'none', target: exported, flags: mountFlags.slave })
    const flags = mountFlags.bind | mountFlags.remount | ro | nosuid | nodev | noexec
    mount({ source: 'none', target: exported, flags })
  })
  return { entries, exported }
}

/** Where the guest's agent looks for it; no container's id begins with a dot. */
const modulesEntry = '.kernel-modules'

/**
 * Shows the guest the kernel modules of its image, a file that everybody may read. It needs no map of ids for that.
 *
 * @throws SyscallError from mount(2) and its kin.
 */
export async function showModules(ledger: Ledger, { entries }: ExportedTree, file: string): Promise<void> {
  const target = `${entries}/${modulesEntry}`
  const { ro, nosuid, nodev, noexec } = mountAttributes
  await makeFile(ledger, target, '')
  await mountAt(ledger, target, '', () => bind(file, target, ro | nosuid | nodev | noexec))
}

/**
 * Makes a directory of root's that anybody may enter who gets that far: the daemon does, whoever it is, and the state
 * directory keeps everybody else out.
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
  // Checked before it is written down: releasing a taking that failed must not remove what is not ours.
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new KataError('SHARE_ENTRY_TAKEN', { path })
  return ledger.take(directoryResource, { path, owner }, make)
}

/** Runs `perform`, which mounts something on `target`, with the mount written down before. */
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
