/** The files of a container on the host: what it has written, over the layers of its image. */
import { posix } from 'node:path'
import { describeError, KataError } from '../../../errors.ts'
import { findInImage } from '../../../images/account-files.ts'
import { TreeTooDeep } from '../../../images/file-tree.ts'
import { WhiteoutName } from '../../../images/tree-tar.ts'
import { makeUnderDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { SyscallError } from '../../../linux/libc.ts'
import { isExternal } from '../../client/external.ts'
import { type ContainerRecord, recordPaths } from '../../client/record.ts'
import { observe } from '../../client/status.ts'
import { thaw } from '../../client/thaw.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord } from '../containers.ts'

export interface ContainerFiles {
  readonly record: ContainerRecord
  /** Host directories, topmost first; the first is what the container writes to. */
  readonly layers: readonly string[]
  /** The directory with what says who and where a container is, absolute. */
  readonly etc: string
  /** That is of its run and not of its files, as with docker. Takes paths from the root on, without a slash before them. */
  readonly isOfRun: (path: string) => boolean
}

/** It may be a link in the image. */
function etcOf(layers: readonly string[]): string {
  const found = findInImage(layers, '/etc')
  return found?.kind === 'directory' ? `/${found.parts.join('/')}` : '/etc'
}

/** @throws KataError CONTAINER_NOT_FOUND, CONTAINER_FOREIGN, FILES_ELSEWHERE. */
export function filesOf(settings: Settings, name: string, what: string): ContainerFiles {
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what })
  if (record.disks !== undefined || record.isCopied) throw new KataError('FILES_ELSEWHERE', { name })
  const { directory } = recordPaths(settings.stateDir, record.namespace, record.id)
  const etc = etcOf(record.layers)
  const ofRun = new Set(['hostname', 'hosts', 'resolv.conf'].map((file) => posix.join(etc, file)))
  return {
    record,
    layers: [`${directory}/upper`, ...record.layers],
    etc,
    isOfRun: (path) => ofRun.has(`/${path}`),
  }
}

/** How long another command may read the files, milliseconds. */
const patienceMs = 600_000

/**
 * Does `work` while a running container is paused, so that nothing changes meanwhile. Only one command does so at a time: the first to end would
 * let the container go on under the others.
 *
 * @throws KataError CONTAINER_BUSY, CONTAINER_NOT_FOUND, CONTAINER_NOT_RUNNING, TASK_STATE, SHIM_*; what `work` throws; the signal's reason.
 */
export async function whilePaused<T>(
  { stateDir }: Pick<Settings, 'stateDir'>,
  record: ContainerRecord,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  // Starts and removals lock the container's own directory, and changes of its record the bundle.
  const { namespace, id: name } = record
  const { io } = recordPaths(stateDir, namespace, name)
  const made = await makeUnderDirectoryLock(io, patienceMs, () => pausedFor(record, work), signal)
  if (made === 'busy') throw new KataError('CONTAINER_BUSY', { name })
  if (made === 'gone') throw new KataError('CONTAINER_NOT_FOUND', { name, namespace })
  return made.value
}

async function pausedFor<T>(record: ContainerRecord, work: () => Promise<T>): Promise<T> {
  const { status } = await observe(record)
  if (status !== 'running') return work()
  const task = await connectRunning(record)
  try {
    await task.pause()
    try {
      return await work()
    } finally {
      // A signal that is meant to end it has let it go on already.
      await thaw(task)
    }
  } finally {
    task.close()
  }
}

/** Errors of reading, as one that names the container. @throws KataError FILES_UNREADABLE, FILES_NOT_FOR_IMAGE; others as they are. */
export async function readingFiles<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof WhiteoutName)
      throw new KataError('FILES_NOT_FOR_IMAGE', { name, reason: cause.message }, { cause })
    if (cause instanceof TreeTooDeep)
      throw new KataError('FILES_UNREADABLE', { name, reason: 'a path is longer than 4096 bytes' }, { cause })
    if (cause instanceof SyscallError)
      throw new KataError('FILES_UNREADABLE', { name, reason: describeError(cause) }, { cause })
    throw cause
  }
}
