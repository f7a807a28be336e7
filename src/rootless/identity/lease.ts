/** A block of ids for one sandbox: chosen at random, held by a reservation, and released once nothing uses its ids. */
import { lstatSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { bootId, type ProcessRef } from '../../linux/processes/proc.ts'
import { killUids } from '../../linux/processes/uid-processes.ts'
import { type NameServiceOptions, requireFree } from './name-service.ts'
import {
  areHeldBeside,
  type ReservationOwner,
  readOwner,
  removeHalves,
  reserve,
  reservedBlocks,
  unreserve,
} from './reservation.ts'
import { blockSize, checkUidRange, type UidBlock, type UidRange, uidBlock } from './uid-range.ts'

/** The ledger's data of a lease. */
export interface LeaseData extends UidBlock {
  readonly runDir: string
  readonly sandbox: string
  /** Identifies this lease: a sandbox that lost a race for a block must not release the winner's. */
  readonly token: string
  /** Directory of the private directories, `/run/user`. */
  readonly userDir: string
  /** Before any of our processes ran, one of the ids turned out to be another user's. Processes with these ids are not ours to end. */
  readonly isForeign?: boolean
}

export type Lease = LeaseData

export interface LeaseOptions extends NameServiceOptions {
  /** `/run/kata-ts` for every sandbox of the host, as ids are the host's; reservations are below `uids/`. */
  readonly runDir: string
  readonly range: UidRange
  /** The sandbox's name, unique on the host. */
  readonly sandbox: string
  /** The process that is responsible for the sandbox. */
  readonly owner: ProcessRef
  readonly userDir?: string
  /** Where passwd, group, subuid, subgid and nsswitch.conf are. */
  readonly etc?: string
  /** Uniform in [0, 1). */
  readonly random?: () => number
  /** Blocks not to try, because something else occupies them. */
  readonly except?: ReadonlySet<number>
}

/**
 * Releases a block: kills the processes that still run with its ids, waits for their end, and removes the reservation last. Does nothing if the
 * reservation is gone or another sandbox's.
 */
export const leaseResource: ResourceKind<LeaseData> = {
  kind: 'uid-lease',
  release: async (lease) => {
    const { runDir, k, sandbox, token, first, uid, userDir, isForeign = false } = lease
    removeHalves(runDir, token)
    const owner = readOwner(runDir, k)
    if (owner?.sandbox !== sandbox || owner.token !== token) return
    const last = first + blockSize - 1
    const areOurs = !isForeign && !areHeldBeside(runDir, k, first)
    if (areOurs && !(await killUids(first, last)))
      throw new KataError('UID_STILL_USED', { first, last, what: 'a process that does not end' })
    const privateDir = `${userDir}/${uid}`
    // A directory of that name with another owner does not belong to this lease: it was refused when it was found.
    if (areOurs && lstatSync(privateDir, { throwIfNoEntry: false })?.uid === uid)
      throw new KataError('UID_STILL_USED', { first, last, what: privateDir })
    unreserve(runDir, k, token)
  },
}

/** How many blocks may have an id of the directory's before a start gives up: each may take seconds. */
const mostForeign = 8

/**
 * Takes a free block, and writes it into the ledger. A directory is asked for its first and last id, because processes of the host run with
 * these. A block is not free if its user has a private directory already.
 *
 * @throws KataError UID_RANGE_INVALID, UID_RANGE_OVERLAP, UID_RANGE_EXHAUSTED; PRIVATE_DIR_OCCUPIED if such directories occupy all free blocks;
 *   ACCOUNT_TAKEN if the directory has too many of the blocks. Nothing is held then.
 */
export async function takeLease(ledger: Ledger, options: LeaseOptions): Promise<Lease> {
  const { runDir, range, sandbox, owner, userDir = '/run/user', random = Math.random } = options
  checkUidRange(range, options.etc)
  // Other sandboxes of the host may be configured with a larger range.
  const known = [...reservedBlocks(runDir), ...(options.except ?? [])].filter((k) => k < range.blocks)
  const taken = new Set(known)
  let foreign = 0
  let occupied: string | undefined
  while (taken.size < range.blocks) {
    const k = freeBlock(range, taken, random)
    taken.add(k)
    const lease: Lease = { ...uidBlock(range, k), runDir, sandbox, token: crypto.randomUUID(), userDir }
    const privateDir = `${userDir}/${lease.uid}`
    if (lstatSync(privateDir, { throwIfNoEntry: false }) !== undefined) {
      occupied = privateDir
      continue
    }
    const holder = { sandbox, token: lease.token, first: lease.first, process: owner, bootId: bootId() }
    // Before the block is ours, because its release ends every process with its ids.
    const isFree = await requireFree(lease.name, [lease.uid, lease.first], options).then(
      () => true,
      (error) => {
        const isTaken = error instanceof KataError && error.code === 'ACCOUNT_TAKEN'
        if (!isTaken || ++foreign === mostForeign) throw error
        return false
      },
    )
    if (isFree && (await tryTake(ledger, lease, () => reserveAlone(lease, holder)))) return lease
  }
  if (occupied !== undefined) throw new KataError('PRIVATE_DIR_OCCUPIED', { path: occupied })
  const { blocks } = range
  throw new KataError('UID_RANGE_EXHAUSTED', {
    blocks,
    first: range.base,
    last: uidBlock(range, blocks - 1).uid,
  })
}

/** Looks for other users of the ids after they are reserved: of two sandboxes that take them at once, at least one sees the other. */
function reserveAlone({ runDir, k, first, token }: Lease, holder: ReservationOwner): boolean {
  if (!reserve(runDir, k, holder)) return false
  if (!areHeldBeside(runDir, k, first)) return true
  unreserve(runDir, k, token)
  return false
}

/** The block is written into the ledger first. If another process reserved it in between, the entry is removed again. */
async function tryTake(ledger: Ledger, lease: Lease, acquire: () => boolean): Promise<boolean> {
  const got = await ledger.take(leaseResource, lease, acquire)
  if (!got) await ledger.release(leaseResource, (data) => data.token === lease.token)
  return got
}

/** Uniform among the blocks that are not taken. */
function freeBlock({ blocks }: UidRange, taken: ReadonlySet<number>, random: () => number): number {
  const free = Array.from({ length: blocks }, (_, k) => k).filter((k) => !taken.has(k))
  return free[Math.floor(random() * free.length)]!
}
