/**
 * The record of one container: a directory under `<stateDir>/containers/<namespace>/<id>` with the bundle, the logs,
 * the writable layer and `record.json`. The command line keeps it as containerd keeps its database; facts about
 * what runs come from the shim.
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
 * `created`: not started yet. `creating`: until Create has returned. `suspended`: only its saved machine is left. `stopped`: everything but the
 * record was released.
 */
export type RecordStatus = 'created' | 'creating' | 'running' | 'suspended' | 'stopped'

export interface ContainerRecord {
  readonly id: string
  readonly namespace: string
  readonly command: readonly string[]
  /** The origin of its root file system, for people. */
  readonly image: string
  /** The id of its image, if that is one of the store. */
  readonly imageId?: string | undefined
  /** Host directories of its root file system's read-only layers, from the top down. */
  readonly layers: readonly string[]
  /** Its root file system is on these disks; absent: it is shared. */
  readonly disks?: RootDisks | undefined
  /** What it writes goes to a copy that ends with its machine. */
  readonly isCopied?: boolean | undefined
  /** It begins with a machine that was saved: a fork, or a container of a snapshot. */
  readonly beginsSaved?: boolean | undefined
  /** ISO 8601, as all times here. */
  readonly createdAt: string
  /** When its machine was there, the last time. */
  readonly startedAt?: string | undefined
  /** `startedAt` of the run whose machine was to be saved last: what is saved is of that run. */
  readonly savedRun?: string | undefined
  readonly status: RecordStatus
  /** The shim's ttrpc address, once known. */
  readonly address?: string | undefined
  readonly exitCode?: number | undefined
  readonly finishedAt?: string | undefined
  readonly terminal: boolean
  readonly detached: boolean
  /** Its standard input is there for those who attach. */
  readonly interactive?: boolean | undefined
  readonly autoRemove: boolean
  readonly labels?: Labels | undefined
  /** The bounds of its log. */
  readonly logBounds?: LogBounds | undefined
  /** The configuration file that was named for it. */
  readonly configFile?: string | undefined
  /** The number of the signal that `stop` sends; absent: SIGTERM. */
  readonly stopSignal?: number | undefined
  /** Seconds that `stop` waits for the end before SIGKILL; absent: 10. */
  readonly stopTimeout?: number | undefined
  readonly restart?: RestartPolicy | undefined
  readonly health?: HealthCheck | undefined
  /** Ports that its image or the command line names: `80/tcp`, or `80-89/tcp`. */
  readonly exposed?: readonly string[] | undefined
  /** How often it was started again by its policy since a person started it. */
  readonly restarts?: number | undefined
  /** Milliseconds that its policy waited before the last of these starts. */
  readonly pauseMs?: number | undefined
  /** When its monitor starts it again; absent while it runs, and once it stays ended. */
  readonly restartsAt?: string | undefined
  /** A person has stopped or killed it: its policy does not start it again. */
  readonly stopWanted?: boolean | undefined
  /** The commands that are about to do that. */
  readonly stopWishes?: readonly { readonly id: string; readonly by: ProcessRef }[] | undefined
  /** The `restart` that has it in hand. */
  readonly restarting?: RestartNote | undefined
  /** The process that waits for the container and cleans up after it: its client in the foreground, or its monitor. A detached one that is kept has none. */
  readonly owner?: ProcessRef | undefined
  /** State of another boot is void: nothing of it can still run. */
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
  restarting: record<RestartNote>({ by: needed(readProcessRef), run: text }),
  owner: readProcessRef,
  bootId: needed(text),
})

/** Bytes that are read of a record, and how many of them are left for what is noted while the container lives: wishes of 256 commands at once. */
const [mostBytes, bytesForLater] = [1 << 20, 1 << 17]

/** The record in that file, whose container may have another name now. @throws JsonMismatch; errors of the system. */
export const readRecordFile = (file: string): ContainerRecord =>
  readFile(containerRecord, file, { maxBytes: mostBytes })

export interface RecordPaths {
  readonly directory: string
  readonly bundle: string
  readonly file: string
  /** FIFOs of attached processes. */
  readonly io: string
  /** Those of its main process are beside this one. */
  readonly stdin: string
  /** Both streams of a container (container-log.ts). */
  readonly log: string
  /** Its machine, once that was saved. It goes on once: what ran since then makes it worthless. */
  readonly saved: string
}

/** @throws KataError NAME_INVALID: both become path components. */
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
    // On a full disk the name would stay claimed.
    rmSync(paths.directory, { recursive: true, force: true })
    throw error
  }
  return paths
}

/** One that nobody can read keeps images from being removed, those of all users. @throws KataError OPTION_INVALID. */
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
    // A container that was renamed has its new name, and its own disk, by its place.
    const found = readRecordFile(file)
    return { ...found, id, disks: found.disks && disksIn(directory, found.disks) }
  } catch (cause) {
    // Removed by its owner between the two calls.
    if (!existsSync(directory)) throw new KataError('CONTAINER_NOT_FOUND', { name: id, namespace }, { cause })
    throw new KataError('RECORD_UNREADABLE', { path: file, reason: describeError(cause) }, { cause })
  }
}

/** A disk in the directory of a container is where that is, also when a rename was killed before it had noted that. */
function disksIn(directory: string, disks: RootDisks): RootDisks {
  const isOwn = dirname(dirname(disks.image)) === dirname(directory)
  return isOwn ? { ...disks, image: `${directory}/${basename(disks.image)}` } : disks
}

/**
 * How long a name has been claimed without a record, milliseconds; undefined when there is one. Nothing else was taken for
 * the container yet: its client is about to write the record, or has died. A clock that was set back counts as one that went on.
 */
export function claimedWithoutRecord(stateDir: string, namespace: string, id: string): number | undefined {
  const { file, directory } = recordPaths(stateDir, namespace, id)
  const claim = statSync(directory, { throwIfNoEntry: false })
  return claim === undefined || existsSync(file) ? undefined : Math.abs(Date.now() - claim.mtimeMs)
}

/** A name without a record that was claimed more recently than this belongs to a client that is at work, milliseconds. */
export const recordGraceMs = 10_000

/** What tells a container from a later one of its name. */
type Identity = Pick<ContainerRecord, 'namespace' | 'id' | 'createdAt'>

/** False once it was removed, also where another one has its name by now. */
export function isThere(stateDir: string, { namespace, id, createdAt }: Identity): boolean {
  try {
    return readRecord(stateDir, namespace, id).createdAt === createdAt
  } catch (error) {
    return !(error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND')
  }
}

/** A function of the record where they depend on what others may be changing; undefined: none. */
export type Changes =
  | Partial<ContainerRecord>
  | ((before: ContainerRecord) => Partial<ContainerRecord> | undefined)

/**
 * Replaces fields of the record in one step, also beside other processes; a record that was removed meanwhile stays removed. With `of` only that
 * of this container, and of no later one of its name.
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

/** Directories of removed records, until they are gone themselves. No container can have such a name. */
const removedPrefix = '.removed-'

/**
 * Removes the record with logs and writable layer. Nothing may be mounted below it any more. The name is free at once; what a
 * container wrote may take a while, and an abort leaves the rest of it to {@link finishRemoval}.
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

/** A record that cannot be read says nothing. */
function factsForEvent(stateDir: string, namespace: string, id: string): Record<string, string> {
  try {
    const { image, labels = {} } = readRecord(stateDir, namespace, id)
    return { ...labels, image, name: id }
  } catch {
    return { name: id }
  }
}

/** The rests of removed records of a namespace: paths for {@link finishRemoval}. */
export function listRemovals(stateDir: string, namespace: string): string[] {
  return namesIn(`${stateDir}/containers/${checkName(namespace, 'namespace')}`)
    .filter((name) => name.startsWith(removedPrefix))
    .map((name) => `${stateDir}/containers/${namespace}/${name}`)
}

/** @throws KataError REMOVAL_UNFINISHED. */
export async function finishRemoval(path: string, signal?: AbortSignal): Promise<void> {
  try {
    // Whatever stands in place of a directory goes, too.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) await removeTree(path, signal)
    else rmSync(path, { force: true })
  } catch (cause) {
    throw new KataError('REMOVAL_UNFINISHED', { path, reason: describeError(cause) }, { cause })
  }
}

/** Identifiers of all records of a namespace, sorted. */
export function listRecords(stateDir: string, namespace: string): string[] {
  return namesIn(`${stateDir}/containers/${checkName(namespace, 'namespace')}`).filter(isName)
}

/** All records of a namespace. A container whose client has only claimed its name, or that is being removed, has none. @throws KataError RECORD_UNREADABLE. */
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
 * All records of a namespace that can be read; `tell` is told why another one cannot be. One that is being made, or was removed meanwhile, is none.
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

/** Whether a record could not be read because there is none yet, or no more. */
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

/** A container without --rm outlives the boot of its host, and nothing else says what it is. */
function write({ file }: RecordPaths, record: ContainerRecord): void {
  replaceFile(file, textOf(record), { isFlushed: !record.autoRemove })
}

const textOf = (record: ContainerRecord): string => `${JSON.stringify(record, null, 2)}\n`
