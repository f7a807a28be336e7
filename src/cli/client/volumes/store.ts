/**
 * Volumes by name: `<stateDir>/volumes/<namespace>/<name>/` with `volume.json` and the files themselves in `_data`. Nobody but root can enter
 * the directories above `_data`, so owners and set-user-id bits of a container's files mean nothing to users of the host.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { describeError, KataError } from '../../../errors.ts'
import { dictionary, needed, record } from '../../../json/compounds.ts'
import { readFile } from '../../../json/document.ts'
import { text } from '../../../json/values.ts'
import { writeFlushed } from '../../../linux/files/named-write.ts'
import { namesIn } from '../../../linux/files/names-in.ts'
import { removeTree } from '../../../linux/files/remove-tree.ts'
import { appendEvent } from '../../../sandbox/records/event-log.ts'
import type { Labels } from '../../parse/labels.ts'
import { checkName, isName } from '../../parse/name.ts'

/** Where volumes are kept. */
export interface VolumeStore {
  readonly stateDir: string
  readonly namespace: string
}

export interface NamedVolume {
  readonly name: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly labels: Labels
}

const readVolumeFile = record<NamedVolume>({
  name: needed(text),
  createdAt: needed(text),
  labels: needed(dictionary(text)),
})

export interface VolumePaths {
  readonly directory: string
  readonly file: string
  /** What a container sees. */
  readonly data: string
}

/** Directories that are being made or removed. No volume can have such a name. */
const unfinishedPrefix = '.unfinished-'

/** @throws KataError NAME_INVALID. */
export function volumePaths(store: VolumeStore, name: string): VolumePaths {
  const directory = `${directoryOf(store)}/${checkName(name, 'volume')}`
  return { directory, file: `${directory}/volume.json`, data: `${directory}/_data` }
}

/** Makes a volume; one that is there stays as it is. @throws KataError NAME_INVALID, VOLUME_UNREADABLE. */
export function createVolume(store: VolumeStore, name: string, labels: Labels = {}): NamedVolume {
  const { directory } = volumePaths(store, name)
  if (existsSync(directory)) return readVolume(store, name)
  const volume = { name, createdAt: new Date().toISOString(), labels }
  const temporary = `${directoryOf(store)}/${unfinishedPrefix}${crypto.randomUUID()}`
  mkdirSync(temporary, { recursive: true, mode: 0o700 })
  try {
    mkdirSync(`${temporary}/_data`, { mode: 0o755 })
    writeFlushed(`${temporary}/volume.json`, `${JSON.stringify(volume, null, 2)}\n`, directory)
    renameSync(temporary, directory)
    note(store, name, 'create')
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    // Another process made it first.
    if (!existsSync(directory)) throw error
  }
  return readVolume(store, name)
}

/** @throws KataError NAME_INVALID, VOLUME_NOT_FOUND, VOLUME_UNREADABLE. */
export function readVolume(store: VolumeStore, name: string): NamedVolume {
  const { directory, file } = volumePaths(store, name)
  if (!existsSync(directory)) throw new KataError('VOLUME_NOT_FOUND', { name, namespace: store.namespace })
  try {
    return readFile(readVolumeFile, file)
  } catch (cause) {
    throw new KataError('VOLUME_UNREADABLE', { path: file, reason: describeError(cause) }, { cause })
  }
}

/** Names of the volumes of a namespace, sorted. */
export function listVolumes(store: VolumeStore): string[] {
  return namesIn(directoryOf(store)).filter(isName)
}

/** Removes the volume with its files. @throws KataError VOLUME_NOT_FOUND; the errors of {@link removeTree}. */
export async function removeVolume(store: VolumeStore, name: string, signal?: AbortSignal): Promise<void> {
  const { directory } = volumePaths(store, name)
  const removed = `${directoryOf(store)}/${unfinishedPrefix}${crypto.randomUUID()}`
  try {
    renameSync(directory, removed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new KataError('VOLUME_NOT_FOUND', { name, namespace: store.namespace })
  }
  note(store, name, 'destroy')
  await removeTree(removed, signal)
}

const note = ({ stateDir, namespace }: VolumeStore, id: string, action: string): void =>
  appendEvent(stateDir, { type: 'volume', action, namespace, id, attributes: {} })

/** Removes what a removal or a creation that was broken off has left. */
export async function removeUnfinished(store: VolumeStore, signal?: AbortSignal): Promise<void> {
  for (const name of namesIn(directoryOf(store)))
    if (name.startsWith(unfinishedPrefix)) await removeTree(`${directoryOf(store)}/${name}`, signal)
}

const directoryOf = ({ stateDir, namespace }: VolumeStore): string =>
  `${stateDir}/volumes/${checkName(namespace, 'namespace')}`
