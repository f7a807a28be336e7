/** `/run/user/<uid>`: the one place on the host that a VMM's user owns. */
import { chmodSync, chownSync, lstatSync, mkdirSync, type Stats } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { mount, mountFlags, unmountBelow } from '../../linux/mounts/mount.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { type Lease, leaseResource } from './lease.ts'
import { areHeldBeside, readOwner } from './reservation.ts'
import { blockSize } from './uid-range.ts'

/** The ledger's data of a private directory. */
export interface PrivateDirData {
  readonly path: string
  readonly uid: number
  /** The lease it belongs to; absent in ledgers of earlier versions. */
  readonly lease?: Pick<Lease, 'runDir' | 'k' | 'token'>
  /** The directory was not made by us, and stays. */
  readonly isForeign?: boolean
}

/**
 * Detaches mounts below the directory, then removes it if it belongs to the user (or was not yet given to it). A ledger may be released long
 * after a sweep has freed its block. By then the user may be another sandbox's.
 */
export const privateDirResource: ResourceKind<PrivateDirData> = {
  kind: 'private-dir',
  release: async ({ path, uid, lease, isForeign = false }) => {
    if (isForeign) return
    const owner = lease && readOwner(lease.runDir, lease.k)
    if (owner !== undefined && owner.token !== lease?.token) return
    if (lease !== undefined && owner !== undefined) await endUser(lease, uid)
    await removePrivateDir(path, uid)
  },
}

/**
 * Ends the user's processes. One that survived its machine could create files below the directory faster than they are removed. If a reservation
 * with another number holds the same ids, the processes are that sandbox's, and stay. @throws KataError UID_STILL_USED.
 */
async function endUser({ runDir, k }: Pick<Lease, 'runDir' | 'k'>, uid: number): Promise<void> {
  const first = uid - (blockSize - 1)
  if (areHeldBeside(runDir, k, first) || (await killUids(first, uid))) return
  throw new KataError('UID_STILL_USED', { first, last: uid, what: 'a process that does not end' })
}

/** Does the work of {@link privateDirResource}. An entry of that name that belongs to another user stays. */
export async function removePrivateDir(path: string, uid: number): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !isOurs(stat, uid)) return
  unmountBelow(path)
  // From here on, a living process of the user cannot enter the directory by its path. Mode 0 marks it as ours.
  chmodSync(path, 0)
  chownSync(path, 0, 0)
  await removeTree(path)
}

/** A directory is ours if it belongs to the user, or to root with mode 0000: a crash left it half made or half removed. */
function isOurs(stat: Stats, uid: number): boolean {
  return stat.isDirectory() && (stat.uid === uid || (stat.uid === 0 && (stat.mode & 0o7777) === 0))
}

/**
 * The size of a bounded private directory, which holds sockets and little else. It is a small file system in the caller's mount namespace. A shim
 * has its own mount namespace, so the mount ends with the shim.
 */
const privateDirBounds = { bytes: 2 * 1024 ** 2, files: 64 } as const

/**
 * Makes the private directory of a lease, mode 0700, and returns its path.
 *
 * @param isBounded bounds the directory, for a user whose process makes files there: it then cannot fill /run.
 * @throws KataError PRIVATE_DIR_OCCUPIED if the path exists, PRIVATE_DIR_PARENT_UNSAFE if others can write beside it.
 */
export async function makePrivateDir(ledger: Ledger, lease: Lease, isBounded = false): Promise<string> {
  const { userDir, uid, runDir, k, token } = lease
  const path = `${userDir}/${uid}`
  prepareParent(userDir)
  const occupied = () => {
    // And that user's processes are not ours to end.
    ledger.amend(leaseResource, (held) => held.token === token, { ...lease, isForeign: true })
    return new KataError('PRIVATE_DIR_OCCUPIED', { path })
  }
  // Checked before the ledger has it: an existing entry must never be taken for ours and removed.
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw occupied()
  const data = { path, uid, lease: { runDir, k, token } }
  return ledger.take(privateDirResource, data, (entry) => {
    try {
      mkdirSync(path, { mode: 0 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      // A login of that user may have made it since then. Its owner would not distinguish it from ours.
      entry.amend({ ...data, isForeign: true })
      throw occupied()
    }
    chownSync(path, uid, uid)
    chmodSync(path, 0o700)
    if (isBounded) boundDir(path, uid)
    return path
  })
}

/** Bounds a directory by mounting a small file system on it that belongs to the user. @throws SyscallError of mount(2). */
export function boundDir(target: string, uid: number): void {
  const { bytes, files } = privateDirBounds
  const { nosuid, nodev, noexec } = mountFlags
  const data = `mode=0700,uid=${uid},gid=${uid},size=${bytes},nr_inodes=${files}`
  mount({ source: 'kata-ts', target, type: 'tmpfs', flags: nosuid | nodev | noexec, data })
}

function prepareParent(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o755 })
    chmodSync(directory, 0o755)
  } catch (error) {
    // Another start may have made it this moment.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const stat = lstatSync(directory)
  const unsafe = (reason: string) => new KataError('PRIVATE_DIR_PARENT_UNSAFE', { path: directory, reason })
  if (!stat.isDirectory()) throw unsafe('not a directory')
  if (stat.uid !== 0) throw unsafe(`owned by uid ${stat.uid}`)
  if ((stat.mode & 0o022) !== 0) throw unsafe(`mode ${(stat.mode & 0o7777).toString(8)}`)
}
