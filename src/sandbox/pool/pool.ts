/** The waiting machines of a run directory, by their state directories: lists them and ends them. */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { list, needed, record } from '../../json/compounds.ts'
import { text } from '../../json/values.ts'
import { everyStep } from '../../ledger/every-step.ts'
import { makeUnderDirectoryLock } from '../../linux/files/directory-lock.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { isAlive, mayBeAlive, type ProcessRef } from '../../linux/processes/proc.ts'
import { killAndWait } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { readState } from '../../rootless/state-file.ts'
import { until } from '../../time.ts'
import { openLedger, ownerOf, teardown } from '../end/teardown.ts'
import { listWaiting } from '../records/gc.ts'
import { type OpenWall, readOpenWall } from '../records/open-walls.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { askWaiting, socketOf } from './adoption-socket.ts'

export interface PoolEntry {
  readonly id: string
  readonly paths: SandboxPaths
  /** Absent while it has none yet. */
  readonly shim: ProcessRef | undefined
  /** `dead`: its shim was killed, and `gc` releases what it held. */
  readonly state: 'starting' | 'waiting' | 'dead'
  /** The key of its template; empty before it waits, and where that cannot be read. */
  readonly template: string
}

/** How long a waiting machine may take to answer, and to end, milliseconds. */
const [answerMs, endMs] = [2000, 20_000]
/** How long another process may hold the machine's directory, milliseconds: a shim that takes a pod, or a process that ends the machine. */
const heldMs = 10_000

/** The record of a machine that waits. */
export interface WaitingFacts {
  /** The key of its template. */
  readonly template: string
  /** The walls around it that are off; absent for a shim of an earlier version. */
  readonly openWalls?: readonly OpenWall[]
}

const readWaiting = record<WaitingFacts>({ template: needed(text), openWalls: list(readOpenWall) })

/** The file with its {@link WaitingFacts}. */
export const waitingFacts = ({ stateDir }: Pick<SandboxPaths, 'stateDir'>): string =>
  `${stateDir}/waiting.json`

export function noteWaiting(paths: SandboxPaths, facts: WaitingFacts): void {
  replaceFile(waitingFacts(paths), `${JSON.stringify(facts)}\n`)
}

/** Undefined for one that does not wait yet. @throws KataError STATE_UNREADABLE. */
export const readWaitingFacts = (paths: Pick<SandboxPaths, 'stateDir'>): WaitingFacts | undefined =>
  readState(readWaiting, waitingFacts(paths))

const readTemplate = record<Pick<WaitingFacts, 'template'>>({ template: needed(text) })

/** Reads only this field: another version may have written the others differently, and every machine must be found and ended. */
function templateOf(paths: SandboxPaths): string {
  try {
    return readState(readTemplate, waitingFacts(paths))?.template ?? ''
  } catch (error) {
    if (error instanceof KataError && error.code === 'STATE_UNREADABLE') return ''
    throw error
  }
}

/** By name. */
export function listPool(runDir: string, log: Logger): PoolEntry[] {
  return listWaiting(runDir, log).map(({ id, paths }) => {
    const shim = ownerOf(openLedger(paths, log))
    // A process whose state cannot be read does not keep the others from being listed. Ending it is refused (killUntaken).
    const isDead = shim !== undefined && !mayBeAlive(shim)
    const state = isDead ? 'dead' : existsSync(socketOf(paths)) ? 'waiting' : 'starting'
    return { id, paths, shim, state, template: templateOf(paths) }
  })
}

/**
 * Ends a waiting machine, unless a pod takes it meanwhile. A shim that does not end by itself is killed, and its holdings are released.
 *
 * @throws KataError RELEASE_FAILED, TEARDOWN_BUSY, PROCESS_ELSEWHERE.
 */
export async function endWaiting({ id, paths }: PoolEntry, log: Logger): Promise<void> {
  const { runDir } = paths
  const look = () => listPool(runDir, log).find((entry) => entry.id === id)
  const settled = () => look()?.state !== 'starting'
  await until(settled, { timeoutMs: endMs, everyMs: 50 })
  if (look()?.state === 'waiting')
    try {
      const { done } = await askWaiting(socketOf(paths), { ask: 'end' }, answerMs)
      if (done) await until(() => look() === undefined, { timeoutMs: endMs, everyMs: 20 })
    } catch (error) {
      log.warn('a waiting machine does not answer, and is killed', { machine: id, error })
    }
  if (await killUntaken(paths, log, () => look() === undefined)) await teardown(paths, log)
}

/**
 * {@link endWaiting} for each entry. A machine that cannot be released keeps its record, and does not keep the others from ending.
 *
 * @throws the first failure, once all others have ended.
 */
export function endAllWaiting(entries: readonly PoolEntry[], log: Logger): Promise<void> {
  return everyStep(entries.map((entry) => () => endWaiting(entry, log)))
}

/**
 * Kills the shim of a waiting machine, unless `isTaken` says that a pod has the machine by now. Holds the machine's directory meanwhile, so
 * that the shim cannot take a pod. Returns whether the shim is dead.
 *
 * @throws KataError TEARDOWN_BUSY, PROCESS_ELSEWHERE.
 */
export async function killUntaken(
  paths: SandboxPaths,
  log: Logger,
  isTaken: () => boolean,
): Promise<boolean> {
  const shim = ownerOf(openLedger(paths, log))
  // A dead shim takes no pod.
  if (shim === undefined || !isAlive(shim)) return !isTaken()
  const isDead = await makeUnderDirectoryLock(paths.stateDir, heldMs, async () => {
    if (isTaken()) return false
    await killAndWait(shim)
    return true
  })
  if (isDead === 'busy')
    throw new KataError('TEARDOWN_BUSY', { path: paths.stateDir, seconds: heldMs / 1000 })
  return isDead !== 'gone' && isDead.value
}
