/**
 * Container records. A directory `<stateDir>/containers/<namespace>/<id>` has the bundle, the logs, the writable layer and `record.json`. The
 * command line keeps these, as containerd keeps its database. Facts about running processes come from the shim.
 */
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describeError, KataError } from '../../errors.ts'
import { dictionary, list, needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { bool, choice, number, positive, text } from '../../json/values.ts'
import { withBriefLock } from '../../linux/files/directory-lock.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { requireRootsDirectory } from '../../linux/files/roots-directory.ts'
import { type ProcessRef, readProcessRef } from '../../linux/processes/proc.ts'
import type { LogBounds } from '../../sandbox/records/container-log.ts'
import { appendEvent } from '../../sandbox/records/event-log.ts'
import type { Labels } from '../parse/labels.ts'
import { checkName, isName } from '../parse/name.ts'
import type { RootDisks } from './disk-root.ts'
import { type HealthCheck, readHealthCheck } from './life/health-check.ts'
import type { RestartNote } from './life/restart-note.ts'
import { type RestartPolicy, readRestartPolicy } from './life/restart-policy.ts'

/**
 * `created`: not started yet. `creating`: Create has not returned yet. `suspended`: the machine is saved and does not run. `stopped`: everything
 * except the record is released.
 */
export type RecordStatus = 'created' | 'creating' | 'running' | 'suspended' | 'stopped'

export interface ContainerRecord {
  readonly id: string
  readonly namespace: string
  readonly command: readonly string[]
  /** The origin of the root file system, for people. */
  readonly image: string
  /** The id of the image, if it is in the store. */
  readonly imageId?: string | undefined
  /** Host directories of the root file system's read-only layers, top layer first. */
  readonly layers: readonly string[]
  /** The disks of the root file system; absent if it is shared. */
  readonly disks?: RootDisks | undefined
  /** The container writes to a copy, which is lost with its machine. */
  readonly isCopied?: boolean | undefined
  /** The container begins with a saved machine: it is a fork, or comes from a snapshot. */
  readonly beginsSaved?: boolean | undefined
  /** ISO 8601, as all times here. */
  readonly createdAt: string
  /** When the machine last became ready. */
  readonly startedAt?: string | undefined
  /** `startedAt` of the run that was last to be saved. A saved machine is of that run. */
  readonly savedRun?: string | undefined
  readonly status: RecordStatus
  /** The shim's ttrpc address, once known. */
  readonly address?: string | undefined
  readonly exitCode?: number | undefined
  readonly finishedAt?: string | undefined
  readonly terminal: boolean
  readonly detached: boolean
  /** Standard input is kept open for clients that attach. */
  readonly interactive?: boolean | undefined
  readonly autoRemove: boolean
  readonly labels?: Labels | undefined
  /** The limits of the log. */
  readonly logBounds?: LogBounds | undefined
  /** The configuration file named for the container. */
  readonly configFile?: string | undefined
  /** The number of the signal that `stop` sends; absent: SIGTERM. */
  readonly stopSignal?: number | undefined
  /** Seconds that `stop` waits for the end before SIGKILL; absent: 10. */
  readonly stopTimeout?: number | undefined
  readonly restart?: RestartPolicy | undefined
  readonly health?: HealthCheck | undefined
  /** Ports named by the image or the command line: `80/tcp`, or `80-89/tcp`. */
  readonly exposed?: readonly string[] | undefined
  /** Restarts by the policy since a user started the container. */
  readonly restarts?: number | undefined
  /** Milliseconds that the policy waited before the last restart. */
  readonly pauseMs?: number | undefined
  /** When the monitor restarts the container. Absent while it runs, and if it stays stopped. */
  readonly restartsAt?: string | undefined
  /** A user has stopped or killed the container, so the policy does not restart it. */
  readonly stopWanted?: boolean | undefined
  /** Commands that are about to stop or kill the container. */
  readonly stopWishes?: readonly { readonly id: string; readonly by: ProcessRef }[] | undefined
  /** The `restart` that is at work on it, or was killed. */
  readonly restarting?: RestartNote | undefined
  /**
   * The process that waits for the container and cleans up after it: its client in the foreground, or its monitor. A detached container without
   * --rm, restart policy and health check has none.
   */
  readonly owner?: ProcessRef | undefined
  /** The boot in which the container ran. After a reboot, nothing of it can still run. */
  readonly bootId: string
}

const containerRecord = record<ContainerRecord>({
  id: needed(text),
  namespace: needed(text),
  command: needed(list(text)),
  image: needed(text),
  imageId: text,
  layers: needed(list(text)),
  disks: record<RootDisks>({ image: needed(text), bytes: needed(positive) }),
  isCopied: bool,
  beginsSaved: bool,
  createdAt: needed(text),
  startedAt: text,
  savedRun: text,
  status: needed(choice('created', 'creating', 'running', 'suspended', 'stopped')),
  address: text,
  exitCode: number,
  finishedAt: text,
  terminal: needed(bool),
  detached: needed(bool),
  interactive: bool,
  autoRemove: needed(bool),
  labels: dictionary(text),
  logBounds: record<LogBounds>({ maxBytes: needed(positive), maxFiles: needed(positive) }),
  configFile: text,
  stopSignal: number,
  stopTimeout: number,
  restart: readRestartPolicy,
  health: readHealthCheck,
  exposed: list(text),
  restarts: number,
  pauseMs: number,
  restartsAt: text,
  stopWanted: bool,
  stopWishes: list(record({ id: needed(text), by: needed(readProcessRef) })),
  restarting: record<RestartNote>({ by: needed(readProcessRef), run: text, at: text }),
  owner: readProcessRef,
  bootId: needed(text),
})

/** The most bytes read of a record, and how many of them are reserved for later changes, such as the stop wishes of 256 commands. */
const [mostBytes, bytesForLater] = [1 << 20, 1 << 17]

/** Reads a record file. The container may have another name now. @throws JsonMismatch; system errors. */
export const readRecordFile = (file: string): ContainerRecord =>
  readFile(containerRecord, file, { maxBytes: mostBytes })

export interface RecordPaths {
  readonly directory: string
  readonly bundle: string
  readonly file: string
  /** FIFOs of attached processes. */
  readonly io: string
  /** Stdin of the init process. Its output FIFOs are in the same directory. */
  readonly stdin: string
  /** The log of both output streams (container-log.ts). */
  readonly log: string
  /** The saved machine. It can be continued only once, because any further run makes it invalid. */
  readonly saved: string
}

/** @throws KataError NAME_INVALID, because both names become path components. */
export function recordPaths(stateDir: string, namespace: string, id: string): RecordPaths {
  const directory = `${stateDir}/containers/${checkName(namespace, 'namespace')}/${checkName(id, 'container')}`
  return {
    directory,
    bundle: `${directory}/bundle`,
    file: `${directory}/record.json`,
    io: `${directory}/io`,
    stdin: `${directory}/io/main/stdin`,
    log: `${directory}/output.log`,
    saved: `${directory}/suspended`,
  }
}

/** Claims the name by creating its directory. @throws KataError CONTAINER_EXISTS, OPTION_INVALID, PRIVATE_DIR_PARENT_UNSAFE. */
export function createRecord(stateDir: string, record: ContainerRecord): RecordPaths {
  const { namespace, id } = record
  requireRoom(record)
  const paths = recordPaths(stateDir, namespace, id)
  mkdirSync(`${stateDir}/containers/${namespace}`, { recursive: true, mode: 0o700 })
  requireRootsDirectory(stateDir)
  try {
    mkdirSync(paths.directory, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new KataError('CONTAINER_EXISTS', { name: id, namespace }, { cause })
  }
  try {
    for (const directory of [paths.bundle, paths.io]) mkdirSync(directory, { mode: 0o700 })
    write(paths, record)
  } catch (error) {
    // On a full disk the name would otherwise stay claimed.
    rmSync(paths.directory, { recursive: true, force: true })
    throw error
  }
  return paths
}

/** Limits the record's size. An unreadable record keeps the images of all users from being removed. @throws KataError OPTION_INVALID. */
function requireRoom(record: ContainerRecord): void {
  const bytes = Buffer.byteLength(textOf(record))
  const most = mostBytes - bytesForLater
  if (bytes <= most) return
  throw new KataError('OPTION_INVALID', {
    option: 'run',
    value: `a command, labels, exposed ports and a health check of ${bytes} bytes`,
    allowed: `at most ${most} bytes of them together, as JSON`,
  })
}

/** @throws KataError CONTAINER_NOT_FOUND, RECORD_UNREADABLE. */
export function readRecord(stateDir: string, namespace: string, id: string): ContainerRecord {
  const { file, directory } = recordPaths(stateDir, namespace, id)
  if (!existsSync(directory)) throw new KataError('CONTAINER_NOT_FOUND', { name: id, namespace })
  try {
    // The directory decides the name and the path of the container's own disk, because a rename may not have updated the file.
    const found = readRecordFile(file)
    return { ...found, id, disks: found.disks && disksIn(directory, found.disks) }
  } catch (cause) {
    // The owner may have removed the record between the two calls.
    if (!existsSync(directory)) throw new KataError('CONTAINER_NOT_FOUND', { name: id, namespace }, { cause })
    throw new KataError('RECORD_UNREADABLE', { path: file, reason: describeError(cause) }, { cause })
  }
}

/** Corrects the path of a disk in the container's directory, because a killed rename may not have updated it. */
function disksIn(directory: string, disks: RootDisks): RootDisks {
  const isOwn = dirname(dirname(disks.image)) === dirname(directory)
  return isOwn ? { ...disks, image: `${directory}/${basename(disks.image)}` } : disks
}

/**
 * How long a name has been claimed without a record, milliseconds. Undefined if there is a record. The container holds nothing else yet: its
 * client is about to write the record, or has died. A clock that was set back counts as one that went forward.
 */
export function claimedWithoutRecord(stateDir: string, namespace: string, id: string): number | undefined {
  const { file, directory } = recordPaths(stateDir, namespace, id)
  const claim = statSync(directory, { throwIfNoEntry: false })
  return claim === undefined || existsSync(file) ? undefined : Math.abs(Date.now() - claim.mtimeMs)
}

/** Milliseconds for which a claimed name without a record counts as in use by its client. */
export const recordGraceMs = 10_000

/** The fields that tell a container from a later one of the same name. */
type Identity = Pick<ContainerRecord, 'namespace' | 'id' | 'createdAt'>

/** Whether the container still exists. False if a later container has its name. */
export function isThere(stateDir: string, { namespace, id, createdAt }: Identity): boolean {
  try {
    return readRecord(stateDir, namespace, id).createdAt === createdAt
  } catch (error) {
    return !(error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND')
  }
}

/** New values, or a function of the present record, for changes that depend on it. Undefined changes nothing. */
export type Changes =
  | Partial<ContainerRecord>
  | ((before: ContainerRecord) => Partial<ContainerRecord> | undefined)

/**
 * Changes fields of the record in one step, even beside other processes. A record that was removed meanwhile stays removed. With `of`, a later
 * container of the same name is left alone.
 */
export function updateRecord(
  stateDir: string,
  namespace: string,
  id: string,
  changes: Changes,
  of?: Identity,
): void {
  const paths = recordPaths(stateDir, namespace, id)
  try {
    withBriefLock(paths.bundle, () => {
      const before = readRecord(stateDir, namespace, id)
      if (of !== undefined && of.createdAt !== before.createdAt) return
      const changed = typeof changes === 'function' ? changes(before) : changes
      if (changed !== undefined) write(paths, { ...before, ...changed })
    })
  } catch (error) {
    const gone =
      (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') ||
      (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!gone) throw error
  }
}

/** Prefix of the directories of removed records that are still being deleted. No container's name begins so. */
const removedPrefix = '.removed-'

/**
 * Removes the record with logs and writable layer. Nothing may be mounted below it any more. The name is free at once. Deleting the container's
 * files may take a while; an abort leaves the rest to {@link finishRemoval}.
 *
 * @throws KataError REMOVAL_UNFINISHED.
 */
export async function removeRecord(
  stateDir: string,
  namespace: string,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const { directory } = recordPaths(stateDir, namespace, id)
  const removed = `${stateDir}/containers/${namespace}/${removedPrefix}${crypto.randomUUID()}`
  const facts = factsForEvent(stateDir, namespace, id)
  try {
    renameSync(directory, removed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  appendEvent(stateDir, { type: 'container', action: 'destroy', namespace, id, attributes: facts })
  await finishRemoval(removed, signal)
}

/** Attributes for the event. An unreadable record gives only the name. */
function factsForEvent(stateDir: string, namespace: string, id: string): Record<string, string> {
  try {
    const { image, labels = {} } = readRecord(stateDir, namespace, id)
    return { ...labels, image, name: id }
  } catch {
    return { name: id }
  }
}

/** Paths of unfinished removals in a namespace, for {@link finishRemoval}. */
export function listRemovals(stateDir: string, namespace: string): string[] {
  return namesIn(`${stateDir}/containers/${checkName(namespace, 'namespace')}`)
    .filter((name) => name.startsWith(removedPrefix))
    .map((name) => `${stateDir}/containers/${namespace}/${name}`)
}

/** @throws KataError REMOVAL_UNFINISHED. */
export async function finishRemoval(path: string, signal?: AbortSignal): Promise<void> {
  try {
    // Anything in place of a directory is removed, too.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) await removeTree(path, signal)
    else rmSync(path, { force: true })
  } catch (cause) {
    throw new KataError('REMOVAL_UNFINISHED', { path, reason: describeError(cause) }, { cause })
  }
}

/** Ids of all records of a namespace, sorted. */
export function listRecords(stateDir: string, namespace: string): string[] {
  return namesIn(`${stateDir}/containers/${checkName(namespace, 'namespace')}`).filter(isName)
}

/**
 * All records of a namespace. A container that is being removed, or whose client has only claimed the name, has none. @throws KataError
 * RECORD_UNREADABLE.
 */
export function readRecords(stateDir: string, namespace: string): ContainerRecord[] {
  return listRecords(stateDir, namespace).flatMap((id) => {
    if (claimedWithoutRecord(stateDir, namespace, id) !== undefined) return []
    try {
      return [readRecord(stateDir, namespace, id)]
    } catch (error) {
      if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return []
      throw error
    }
  })
}

/**
 * All readable records of a namespace. `tell` gets the reason for each unreadable one, unless the container is being made or was removed
 * meanwhile.
 */
export function readableRecords(
  stateDir: string,
  namespace: string,
  tell: (error: unknown) => void,
): ContainerRecord[] {
  return listRecords(stateDir, namespace).flatMap((id) => {
    try {
      return [readRecord(stateDir, namespace, id)]
    } catch (error) {
      if (!isPassing(error, recordPaths(stateDir, namespace, id))) tell(error)
      return []
    }
  })
}

/** Whether a record is unreadable only because it does not exist yet, or no longer. */
function isPassing(error: unknown, { directory }: RecordPaths): boolean {
  if (!(error instanceof KataError)) return false
  if (error.code === 'CONTAINER_NOT_FOUND') return true
  if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') return false
  const claim = statSync(directory, { throwIfNoEntry: false })
  return claim === undefined || Math.abs(Date.now() - claim.mtimeMs) < recordGraceMs
}

/** Namespaces that have records, sorted. */
export function listNamespaces(stateDir: string): string[] {
  return namesIn(`${stateDir}/containers`).filter(isName)
}

/** Writes the record, and flushes it unless --rm was given: the container outlives a crash of the host, and nothing else describes it. */
function write({ file }: RecordPaths, record: ContainerRecord): void {
  replaceFile(file, textOf(record), { isFlushed: !record.autoRemove })
}

const textOf = (record: ContainerRecord): string => `${JSON.stringify(record, null, 2)}\n`
