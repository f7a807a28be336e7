/**
 * Snapshots by name: `<stateDir>/snapshots/<namespace>/<name>/` with the saved machine, its disk, the container's record and what of its bundle
 * another container needs. Nobody but root can enter.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { bundleFile } from '../../../bundle/files.ts'
import { describeError, KataError } from '../../../errors.ts'
import { flushFile } from '../../../linux/files/flush.ts'
import { atPath } from '../../../linux/files/named-write.ts'
import { namesIn } from '../../../linux/files/names-in.ts'
import { replaceFile } from '../../../linux/files/replace-file.ts'
import type { ProcessRef } from '../../../linux/processes/proc.ts'
import { nameWithProcess, processInName } from '../../../linux/processes/process-name.ts'
import { readCheckpoint, requireRootsOwn } from '../../../sandbox/checkpoint/checkpoint.ts'
import { type CheckpointFacts, checkpointFiles } from '../../../sandbox/checkpoint/checkpoint-facts.ts'
import { checkName, isName } from '../../parse/name.ts'
import { type ContainerRecord, finishRemoval, readRecordFile } from '../record.ts'

/** Where snapshots are kept. */
export interface SnapshotStore {
  readonly stateDir: string
  readonly namespace: string
}

/** A container to begin others with. */
export interface SavedContainer {
  readonly record: ContainerRecord
  /** Directory with its specification and what the command line overrides. */
  readonly bundle: string
}

export interface Snapshot extends SavedContainer {
  readonly name: string
  /** Directory of the saved machine. */
  readonly directory: string
  readonly facts: CheckpointFacts
  /** On the disk, all files together. */
  readonly bytes: number
}

/** What of a bundle belongs to the container, and not to one run of it. Without a network it has no file of that. */
const keptFiles = ['spec', 'overrides', 'network'] as const

/** Directories that are being made or removed, with the process that does. No snapshot can have such a name. */
const unfinishedPrefix = '.unfinished-'
const recordName = 'record.json'

const directoryOf = ({ stateDir, namespace }: SnapshotStore): string =>
  `${stateDir}/snapshots/${checkName(namespace, 'namespace')}`

const placeOf = (store: SnapshotStore, name: string): string =>
  `${directoryOf(store)}/${checkName(name, 'snapshot')}`

/**
 * Makes a snapshot of the container; `save` writes its machine to the directory that it is given, which is not there yet.
 *
 * @throws KataError NAME_INVALID, SNAPSHOT_EXISTS; what `save` throws. Nothing is left then.
 */
export async function createSnapshot(
  store: SnapshotStore,
  name: string,
  { record, bundle }: SavedContainer,
  save: (directory: string) => Promise<void>,
): Promise<void> {
  const target = placeOf(store, name)
  requireFree(target, store, name)
  mkdirSync(directoryOf(store), { recursive: true, mode: 0o700 })
  const making = unfinishedPath(store)
  const made = `${making}/${name}`
  try {
    // A shim of before a mount over these directories does not see this one, and writes nothing below the mount.
    mkdirSync(making, { mode: 0o700 })
    await save(made)
    readCheckpoint(made)
    copyKept(bundle, made)
    atPath(target, () =>
      writeFileSync(`${made}/${recordName}`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 }),
    )
    for (const file of namesIn(made)) await flushFile(`${made}/${file}`)
    await flushFile(made)
    giveName(made, target, store, name)
    // The names, too, as far as they are new. It is there by now, whatever comes of that.
    for (const above of [directoryOf(store), `${store.stateDir}/snapshots`])
      await flushFile(above).catch(() => {})
  } finally {
    // A shim that was killed has left what it was writing.
    rmSync(making, { recursive: true, force: true })
  }
}

/** Flushed: a container that has its record after a crash of the host, and not these, could never be started again. */
export function copyKept(from: string, to: string): void {
  for (const file of keptFiles) {
    const kept = bundleFile(from, file)
    if (existsSync(kept)) replaceFile(bundleFile(to, file), readFileSync(kept, 'utf8'), { isFlushed: true })
  }
}

/** When two make a snapshot of one name at once, the second meets a directory that is not empty. @throws KataError SNAPSHOT_EXISTS. */
function giveName(made: string, target: string, { namespace }: SnapshotStore, name: string): void {
  try {
    renameSync(made, target)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw cause
    throw new KataError('SNAPSHOT_EXISTS', { name, namespace }, { cause })
  }
}

function requireFree(target: string, { namespace }: SnapshotStore, name: string): void {
  if (existsSync(target)) throw new KataError('SNAPSHOT_EXISTS', { name, namespace })
}

/** @throws KataError NAME_INVALID, SNAPSHOT_NOT_FOUND, CHECKPOINT_FOREIGN, CHECKPOINT_DAMAGED, CHECKPOINT_UNUSABLE. */
export function readSnapshot(store: SnapshotStore, name: string): Snapshot {
  const directory = placeOf(store, name)
  if (!existsSync(directory)) throw new KataError('SNAPSHOT_NOT_FOUND', { name, namespace: store.namespace })
  const { facts } = readCheckpoint(directory)
  const record = readRecordOf(directory)
  // They say what runs, and with which rights.
  for (const file of keptFiles) {
    const path = bundleFile(directory, file)
    if (file === 'spec' || existsSync(path)) requireRootsOwn(path, 'file')
  }
  const files = [checkpointFiles.state, checkpointFiles.disk].map((file) => `${directory}/${file}`)
  const sizes = files.map((file) => Number(requireRootsOwn(file, 'file').blocks) * 512)
  return { name, directory, bundle: directory, facts, record, bytes: sizes.reduce((a, b) => a + b) }
}

function readRecordOf(directory: string): ContainerRecord {
  const path = `${directory}/${recordName}`
  requireRootsOwn(path, 'file')
  try {
    return readRecordFile(path)
  } catch (cause) {
    throw new KataError('CHECKPOINT_DAMAGED', { path, reason: describeError(cause) }, { cause })
  }
}

const unfinishedPath = (store: SnapshotStore): string =>
  `${directoryOf(store)}/${unfinishedPrefix}${nameWithProcess()}`

/** Directories that processes are making or removing, or were when they ended, for `gc`. */
export function unfinishedSnapshots(
  stateDir: string,
): { readonly path: string; readonly process: ProcessRef }[] {
  return namesIn(`${stateDir}/snapshots`).flatMap((namespace) =>
    namesIn(`${stateDir}/snapshots/${namespace}`).flatMap((name) => {
      if (!name.startsWith(unfinishedPrefix)) return []
      const process = processInName(name.slice(unfinishedPrefix.length))
      return process === undefined ? [] : [{ path: `${stateDir}/snapshots/${namespace}/${name}`, process }]
    }),
  )
}

/** Names of the snapshots of a namespace, sorted. */
export function listSnapshots(store: SnapshotStore): string[] {
  return namesIn(directoryOf(store)).filter(isName)
}

/** The snapshots of every namespace. */
export function snapshotDirectories(stateDir: string): string[] {
  return namesIn(`${stateDir}/snapshots`)
    .filter(isName)
    .flatMap((namespace) => {
      const store = { stateDir, namespace }
      return listSnapshots(store).map((name) => placeOf(store, name))
    })
}

/** Records of the containers that all snapshots are of: what these use of the image store stays. @throws KataError CHECKPOINT_FOREIGN, CHECKPOINT_DAMAGED. */
export const snapshotRecords = (stateDir: string): ContainerRecord[] =>
  snapshotDirectories(stateDir).map(readRecordOf)

/** Removes the snapshot; the name is free at once. @throws KataError SNAPSHOT_NOT_FOUND; REMOVAL_UNFINISHED, and `gc` goes on with it. */
export async function removeSnapshot(store: SnapshotStore, name: string): Promise<void> {
  const removed = unfinishedPath(store)
  try {
    renameSync(placeOf(store, name), removed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new KataError('SNAPSHOT_NOT_FOUND', { name, namespace: store.namespace }, { cause: error })
  }
  await finishRemoval(removed)
}
