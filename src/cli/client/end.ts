/** The end of a container, by its own client, `rm`, or `gc`. */
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
 * Releases all that the container holds and notes its exit code, or removes its record when it was run with --rm.
 * `task` is the connection to its shim, when there is one; the `delete` action works without, from disk. May be
 * called again. Does nothing once another container has the name: then this one was removed, with all that it held.
 *
 * @throws KataError SHIM_DELETE_FAILED; the record is kept then, so that `gc` can try again. REMOVAL_UNFINISHED: all the rest is done.
 */
export async function endContainer(
  settings: Settings,
  record: Pick<ContainerRecord, 'namespace' | 'id' | 'autoRemove'> &
    Partial<Pick<ContainerRecord, 'createdAt' | 'exitCode'>>,
  end: {
    exitCode?: number | undefined
    task?: TaskClient | undefined
    remove?: boolean
    /** What is noted of it besides, once its exit code is known. */
    note?: ((exitCode: number) => Partial<ContainerRecord>) | undefined
    /** Breaks off the removal of what the container wrote, nothing else. */
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
  // The shim has ended by itself or does not answer; what is left of it must not hold what `delete` releases.
  const shim = liveShim(settings, bundle)
  if (shim !== undefined) await killAndWait(shim)
  const lastKnown = await deleteShim(settings, { namespace, id, bundle })
  // What a shim was writing that was killed meanwhile.
  if (isAnothers(settings, record)) return
  rmSync(unfinished(saved), { recursive: true, force: true })
  if (end.remove ?? record.autoRemove) return removeRecord(stateDir, namespace, id, end.signal)
  // A clean-up that failed may have noted it.
  const exitCode = end.exitCode ?? record.exitCode ?? lastKnown
  const finishedAt = new Date().toISOString()
  updateRecord(stateDir, namespace, id, { status: 'stopped', exitCode, finishedAt, ...end.note?.(exitCode) })
}

/** Whether a container that was made later has the name now. */
function isAnothers(
  { stateDir }: Settings,
  { namespace, id, createdAt }: Parameters<typeof endContainer>[1],
): boolean {
  if (createdAt === undefined) return false
  try {
    return readRecord(stateDir, namespace, id).createdAt !== createdAt
  } catch {
    // What cannot be read is nobody else's.
    return false
  }
}

/** How long the making of a container may take to end, and its client to clean up, milliseconds. */
const makingMs = 30_000

/**
 * Ends the making of a container whose client is at it, and nothing else. No process is there yet that a signal would end, but without
 * its shim the client gives up and cleans up. Resolves once it has, or makes no progress.
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

/** A file that cannot be read is told, and does not keep the container from being removed. @throws KataError PROCESS_ELSEWHERE. */
function liveShim({ tell }: Settings, bundle: string): ProcessRef | undefined {
  let shim: ProcessRef | undefined
  try {
    shim = readShimProcess(bundle)
  } catch (error) {
    tell(`warning: ${describeError(error)}`)
  }
  return shim !== undefined && isAlive(shim) ? shim : undefined
}
