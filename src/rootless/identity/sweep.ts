/**
 * Removes what sandboxes without a living owner left. Their ledgers are released first, by the caller; this
 * finds what is left without a ledger: reservations of dead owners, and accounts and directories without one.
 */
import { statSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { killUids, processesOfUids } from '../../linux/processes/uid-processes.ts'
import type { Logger } from '../../log.ts'
import { defaultUserdbDir } from './account.ts'
import { deleteUser } from './account-useradd.ts'
import { removeRecords } from './account-userdb.ts'
import { removePrivateDir } from './private-dir.ts'
import { isKnown, ownerLives, readOwner, removeDrafts, reservedBlocks, unreserve } from './reservation.ts'
import {
  blockOfUid,
  blockSize,
  isOurs,
  readLines,
  type UidBlock,
  type UidRange,
  uidBlock,
} from './uid-range.ts'

export interface SweepOptions {
  readonly runDir: string
  readonly range: UidRange
  readonly userDir?: string
  readonly userdbDir?: string
}

/** One block of ids that was cleaned up, or was not for the reason in `error`. */
export interface SweepResult {
  readonly name: string
  readonly uid: number
  /** `reservation` (its owner is dead), `account`, `directory` or `record` (without a reservation). */
  readonly found: 'reservation' | 'account' | 'directory' | 'record'
  /** The sandbox that held it, for a reservation. */
  readonly sandbox?: string
  /** Why it could not be removed. */
  readonly error?: string
}

/** Finds and removes leftovers. A leftover that cannot be removed is reported, and the others are still removed. */
export async function sweepRootless(options: SweepOptions, log: Logger): Promise<SweepResult[]> {
  const { runDir, range, userDir = '/run/user', userdbDir = defaultUserdbDir } = options
  const results: SweepResult[] = []
  for (const leftover of findLeftovers(runDir, range, userDir, userdbDir)) {
    const { block, found, sandbox, isHeld } = leftover
    const result = { name: block.name, uid: block.uid, found, ...(sandbox === undefined ? {} : { sandbox }) }
    try {
      if (isHeld) throw stillUsed(block, 'a live process of a holder that cannot be read')
      await cleanBlock(block, { runDir, userDir, userdbDir, reserved: found === 'reservation' })
      results.push(result)
    } catch (error) {
      results.push({ ...result, error: describeError(error) })
      log.error('a leftover stays', { ...result, error })
    }
  }
  const minuteAgo = Date.now() - 60_000
  // A start that goes on meanwhile makes a reservation of its draft.
  const changedAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? minuteAgo
  removeDrafts(runDir, (path) => changedAt(path) < minuteAgo)
  return results
}

interface Leftover {
  readonly block: UidBlock
  readonly found: SweepResult['found']
  readonly sandbox?: string
  /** Nobody knows whose processes these are: they may be those of a sandbox that lives. */
  readonly isHeld?: boolean
}

/** Listed before the reservations are read: a start that comes in between then has its reservation already. */
function findLeftovers(runDir: string, range: UidRange, userDir: string, userdbDir: string): Leftover[] {
  const accounts = blocksOf(range, accountUids(range), 'account')
  const directories = blocksOf(range, namesIn(userDir).map(Number), 'directory')
  const records = blocksOf(
    range,
    namesIn(userdbDir).map((name) => Number(/^(\d+)\.user$/.exec(name)?.[1])),
    'record',
  )
  const reserved = reservedBlocks(runDir)
  const dead = reserved.flatMap((k): Leftover[] => {
    const owner = readOwner(runDir, k)
    if (owner === undefined || ownerLives(owner)) return []
    const block = uidBlock(range, k)
    // It belongs to another configured range. The sweep of that range knows its ids.
    if (owner.first >= 0 && owner.first !== block.first) return []
    const isHeld = !isKnown(owner) && runs(block)
    return [{ block, found: 'reservation', sandbox: owner.sandbox, isHeld }]
  })
  const seen = new Set(reserved)
  const orphans = [...accounts, ...directories, ...records]
    .filter(({ block: { k } }) => !seen.has(k) && seen.add(k))
    // A live process without a reservation here belongs to a sandbox with another run directory. It is left alone.
    .filter(({ block }) => !runs(block))
  return [...dead, ...orphans]
}

const runs = ({ first }: UidBlock): boolean => processesOfUids(first, first + blockSize - 1).length > 0

function blocksOf(range: UidRange, uids: readonly number[], found: SweepResult['found']): Leftover[] {
  return uids.flatMap((uid) => {
    const block = blockOfUid(range, uid)
    return block === undefined ? [] : [{ block, found }]
  })
}

/** Uids of passwd lines, and gids of group lines, that carry our marks. */
function accountUids(range: UidRange): number[] {
  return ['passwd', 'group'].flatMap((file) =>
    readLines(`/etc/${file}`)
      .map((line) => line.split(':'))
      .filter((fields) => isOurs(range, file, fields))
      .map((fields) => Number(fields[2])),
  )
}

function stillUsed({ first }: Pick<UidBlock, 'first'>, what: string): KataError {
  return new KataError('UID_STILL_USED', { first, last: first + blockSize - 1, what })
}

/** The same order as a regular release, the reservation last. */
async function cleanBlock(
  { k, first, uid, name }: UidBlock,
  where: { runDir: string; userDir: string; userdbDir: string; reserved: boolean },
): Promise<void> {
  if (where.reserved && !(await killUids(first, first + blockSize - 1)))
    throw stillUsed({ first }, 'a live process')
  await removePrivateDir(`${where.userDir}/${uid}`, uid)
  removeRecords(where.userdbDir, name, uid)
  await deleteUser(name, uid)
  if (where.reserved) unreserve(where.runDir, k)
}
