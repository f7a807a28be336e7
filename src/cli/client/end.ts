/** Ends a container for its own client, `rm` or `gc`. */
import { rmSync } from 'node:fs'
import { readShimProcess } from '../../bundle/shim-process.ts'
import { describeError, KataError } from '../../errors.ts'
import { isAlive, type ProcessRef } from '../../linux/processes/proc.ts'
import { killAndWait } from '../../linux/processes/signal.ts'
import { unfinished } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import { poll } from '../../time.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, readRecord, recordPaths, removeRecord, updateRecord } from './record.ts'
import { deleteShim } from './shim-process.ts'
import { observe } from './status.ts'
import type { TaskClient } from './task.ts'

/**
 * Releases everything that the container holds. Then notes its exit code, or removes its record if it ran with --rm. `task` is the connection to
 * the shim, if there is one; the `delete` action works from disk without it. May be called again. Does nothing if another container has the name
 * by now, because then this one was removed completely.
 *
 * @throws KataError SHIM_DELETE_FAILED, and keeps the record so that `gc` can retry; REMOVAL_UNFINISHED, when everything else is done.
 */
export async function endContainer(
  settings: Settings,
  record: Pick<ContainerRecord, 'namespace' | 'id' | 'autoRemove'> &
    Partial<Pick<ContainerRecord, 'createdAt' | 'exitCode'>>,
  end: {
    exitCode?: number | undefined
    task?: TaskClient | undefined
    remove?: boolean
    /** Further changes of the record, once the exit code is known. */
    note?: ((exitCode: number) => Partial<ContainerRecord>) | undefined
    /** Interrupts only the removal of the container's files. */
    signal?: AbortSignal
  },
): Promise<void> {
  const { namespace, id } = record
  const { stateDir, log } = settings
  const { bundle, saved } = recordPaths(stateDir, namespace, id)
  if (isAnothers(settings, record)) {
    end.task?.close()
    return
  }
  if (end.task !== undefined) {
    await end.task.delete().catch((error) => log.debug('delete failed', { id, error }))
    await end.task.shutdown()
    end.task.close()
  }
  // The shim has ended or does not answer. Its processes must not hold what `delete` releases.
  const shim = liveShim(settings, bundle)
  if (shim !== undefined) await killAndWait(shim)
  const lastKnown = await deleteShim(settings, { namespace, id, bundle })
  if (isAnothers(settings, record)) return
  // A shim that was killed while it saved its machine leaves an unfinished save.
  rmSync(unfinished(saved), { recursive: true, force: true })
  if (end.remove ?? record.autoRemove) return removeRecord(stateDir, namespace, id, end.signal)
  // An earlier clean-up that failed may have noted the exit code.
  const exitCode = end.exitCode ?? record.exitCode ?? lastKnown
  const finishedAt = new Date().toISOString()
  updateRecord(stateDir, namespace, id, { status: 'stopped', exitCode, finishedAt, ...end.note?.(exitCode) })
}

/** Whether a later container has the name now. */
function isAnothers(
  { stateDir }: Settings,
  { namespace, id, createdAt }: Parameters<typeof endContainer>[1],
): boolean {
  if (createdAt === undefined) return false
  try {
    return readRecord(stateDir, namespace, id).createdAt !== createdAt
  } catch {
    // An unreadable record does not show that the name was taken.
    return false
  }
}

/** Most time until a container's client has given up its making and cleaned up, milliseconds. */
const makingMs = 30_000

/**
 * Ends the making of a container by its client. There is no process yet that a signal could end, but without its shim the client gives up and
 * cleans up. Resolves when it has, or makes no progress.
 */
export async function endMaking(settings: Settings, { namespace, id }: ContainerRecord): Promise<void> {
  const { stateDir } = settings
  const { bundle } = recordPaths(stateDir, namespace, id)
  const look = async () => {
    try {
      const record = readRecord(stateDir, namespace, id)
      const { status } = await observe(record)
      const isCleanedUp = record.owner !== undefined && isAlive(record.owner) && status === 'dead'
      if (status !== 'creating' && !isCleanedUp) return status
    } catch (error) {
      if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return 'removed'
      throw error
    }
    const shim = liveShim(settings, bundle)
    if (shim !== undefined) await killAndWait(shim)
    return undefined
  }
  await poll(look, { timeoutMs: makingMs, everyMs: 20, longestMs: 100 })
}

/**
 * Finds the running shim. Warns about an unreadable file, which must not keep the container from being removed. @throws KataError
 * PROCESS_ELSEWHERE.
 */
function liveShim({ tell }: Settings, bundle: string): ProcessRef | undefined {
  let shim: ProcessRef | undefined
  try {
    shim = readShimProcess(bundle)
  } catch (error) {
    tell(`warning: ${describeError(error)}`)
  }
  return shim !== undefined && isAlive(shim) ? shim : undefined
}
