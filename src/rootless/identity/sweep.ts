/**
 * Removes what sandboxes without a living owner left. Their ledgers are released first, by the caller; this
 * finds what is left without a ledger: reservations of dead owners, and accounts and directories without one.
 */
import { statSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { bootId, ownProcess } from '../../linux/processes/proc.ts'
import { killUids, processesOfBlock } from '../../linux/processes/uid-processes.ts'
import type { Logger } from '../../log.ts'
import { defaultUserdbDir } from './account.ts'
import { deleteUser } from './account-useradd.ts'
import { removeRecords } from './account-userdb.ts'
import { assignedId, type NameServiceOptions } from './name-service.ts'
import { removePrivateDir } from './private-dir.ts'
import {
  areHeldBeside,
  heldIds,
  isKnown,
  ownerLives,
  type ReservationOwner,
  readOwner,
  removeDrafts,
  reservationsDir,
  reserve,
  reservedBlocks,
  takeOver,
  unreserve,
} from './reservation.ts'
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
  /** Whom to ask for users that are in no file of /etc. */
  readonly nameService?: NameServiceOptions
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

/** How long another sweep is waited for, milliseconds: removing an account may wait half of that for the lock of /etc/passwd. */
const turnMs = 60_000

/**
 * Finds and removes leftovers, one sweep at a time. A leftover that cannot be removed is reported, and the others are still removed. `isWanted`
 * is asked once it is this one's turn.
 */
export async function sweepRootless(
  options: SweepOptions,
  log: Logger,
  isWanted: () => boolean = () => true,
): Promise<SweepResult[]> {
  const directory = reservationsDir(options.runDir)
  let results: SweepResult[] = []
  const work = async () => {
    if (isWanted()) results = await sweep(options, log)
  }
  const outcome = await underDirectoryLock(directory, turnMs, work)
  // Nobody has reserved anything yet.
  if (outcome === 'gone') await work()
  if (outcome === 'busy') log.warn('another process is still at work on what was left', { directory })
  return results
}

async function sweep(options: SweepOptions, log: Logger): Promise<SweepResult[]> {
  const { runDir, range, userDir = '/run/user', userdbDir = defaultUserdbDir, nameService = {} } = options
  const results: SweepResult[] = []
  for (const leftover of findLeftovers(runDir, range, userDir, userdbDir)) {
    const { block, found, holder } = leftover
    const { name, uid } = block
    const result = { name, uid, found, ...(holder === undefined ? {} : { sandbox: holder.sandbox }) }
    try {
      if (await clean(leftover, { runDir, userDir, userdbDir, nameService })) results.push(result)
    } catch (error) {
      results.push({ ...result, error: describeError(error) })
      log.error('a leftover stays', { ...result, error })
    }
  }
  // A start that goes on meanwhile makes a reservation of its draft. A clock that was set back makes none that stays.
  const changedAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs
  const now = Date.now()
  removeDrafts(runDir, (path) => Math.abs(now - (changedAt(path) ?? now)) > 60_000)
  return results
}

/** What may be one. */
interface Leftover {
  readonly block: UidBlock
  readonly found: SweepResult['found']
  /** The holder, for a reservation. It may live. */
  readonly holder?: ReservationOwner
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
  const held = reserved.flatMap((k): Leftover[] => {
    const owner = readOwner(runDir, k)
    if (owner === undefined) return []
    const block = uidBlock(range, k)
    // It belongs to another configured range. The sweep of that range knows its ids.
    if (owner.first >= 0 && owner.first !== block.first) return []
    return [{ block, found: 'reservation', holder: owner }]
  })
  const seen = new Set(reserved)
  const ids = heldIds(runDir)
  // The directory last: one that has an account or record of ours, too, is found by that.
  const orphans = [...accounts, ...records, ...directories]
    .filter(({ block: { k, first } }) => !ids.has(first) && !seen.has(k) && seen.add(k))
    // A live process without a reservation here belongs to a sandbox with another run directory. It is left alone.
    .filter(({ block }) => !runs(block))
  return [...held, ...orphans]
}

const runs = ({ first }: UidBlock): boolean => processesOfBlock(first, first + blockSize - 1).length > 0

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

type Places = Required<Pick<SweepOptions, 'runDir' | 'userDir' | 'userdbDir' | 'nameService'>>

/**
 * False when it is none: its holder lives, its holder's own release has given the block back since, or a start has taken it. The block is this
 * process's while it is cleaned, so that no start takes it, and the holder's own release, by another process, does not give it back. One that
 * cannot be cleaned is its dead holder's again.
 *
 * @throws KataError UID_STILL_USED; PROCESS_ELSEWHERE; those of the account.
 */
async function clean({ block, found, holder }: Leftover, places: Places): Promise<boolean> {
  const { runDir } = places
  const { k, first } = block
  const token = crypto.randomUUID()
  const own = { sandbox: 'sweep', token, first, process: ownProcess(), bootId: bootId() }
  if (holder !== undefined) {
    if (ownerLives(holder)) return false
    if (readOwner(runDir, k)?.token !== holder.token) return false
    // Who has the same ids by another number may live; and if not, it is a leftover of its own.
    if (areHeldBeside(runDir, k, first)) {
      unreserve(runDir, k, holder.token)
      return true
    }
    // Nobody knows whose processes these are: they may be those of a sandbox that lives.
    if (!isKnown(holder) && runs(block))
      throw stillUsed(block, 'a live process of a holder that cannot be read')
    if (!takeOver(runDir, k, holder.token, { ...own, sandbox: holder.sandbox })) return false
    try {
      if (!(await killUids(first, first + blockSize - 1))) throw stillUsed(block, 'a live process')
      await cleanBlock(block, places)
    } catch (error) {
      // This process may be a shim that lives for months: no sweep would look at the block meanwhile, nor would the holder's own release.
      takeOver(runDir, k, token, holder)
      throw error
    }
    unreserve(runDir, k, token)
    return true
  }
  if (!reserve(runDir, k, own)) return false
  try {
    if (runs(block) || areHeldBeside(runDir, k, first)) return false
    // A user of the host’s directory (SSSD) who logs in, or has logged out, has one of his own by this number.
    if (found === 'directory' && (await assignedId([block.uid], places.nameService)) !== undefined)
      return false
    await cleanBlock(block, places)
    return true
  } finally {
    unreserve(runDir, k, token)
  }
}

/** The same order as a regular release, after the processes of the block have ended. */
async function cleanBlock(
  { uid, name }: UidBlock,
  { userDir, userdbDir }: Pick<Places, 'userDir' | 'userdbDir'>,
): Promise<void> {
  await removePrivateDir(`${userDir}/${uid}`, uid)
  removeRecords(userdbDir, name, uid)
  await deleteUser(name, uid)
}
