/** Kata's direct-assigned volumes: for a volume's path, a CSI driver writes down which disk the guest gets. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { list, needed, record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import { type Reader, text as readJsonText } from '../json/values.ts'
import type { ResourceKind } from '../ledger/ledger.ts'
import { replaceFile } from '../linux/files/replace-file.ts'

/** Where the notes lie, a directory for each volume. */
const directVolumeRoot = '/run/kata-containers/shared/direct-volumes'
const noteName = 'mountInfo.json'
/** Longest note that is read. */
const maxBytes = 64 * 1024
/** Types of a block device or disk image: none, the one of Kata's Go runtime, the one of runtime-rs. */
const diskTypes: ReadonlySet<string> = new Set(['', 'block', 'directvol'])

export interface DirectVolume {
  /** Directory of the note. */
  readonly directory: string
  /** A block device or disk image on the host. */
  readonly device: string
  readonly fsType: string
  readonly options: readonly string[]
  readonly fsGroup?: { readonly id: number; readonly onRootMismatch: boolean }
}

/** Tells a volume's statistics and resizing which sandbox has it: an empty file with the sandbox's name, as in Kata. */
export const directVolumeResource: ResourceKind<{ path: string; owner: string }> = {
  kind: 'direct-volume',
  release: ({ path }) => rmSync(path, { force: true }),
}

/** The directory for a volume's path: Kata's base64 for URLs, with its padding. */
export function directVolumeDir(volumePath: string, root = directVolumeRoot): string {
  const name = Buffer.from(volumePath).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  return `${root}/${name}`
}

/** The note for the mount source `volumePath`; undefined when there is none. @throws KataError DIRECT_VOLUME_INVALID. */
export function readDirectVolume(volumePath: string, root = directVolumeRoot): DirectVolume | undefined {
  const directory = directVolumeDir(volumePath, root)
  const path = `${directory}/${noteName}`
  const text = read(path)
  return text === undefined ? undefined : { directory, ...parseNote(text, path) }
}

/**
 * Writes the note, as a CSI driver does; one that was there is replaced. `text` is its JSON.
 *
 * @throws KataError DIRECT_VOLUME_INVALID.
 */
export function addDirectVolume(volumePath: string, text: string, root = directVolumeRoot): void {
  const directory = absoluteDir(volumePath, root)
  const path = `${directory}/${noteName}`
  parseNote(text, path)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  replaceFile(path, text)
}

/** Removes the note and who has the volume. Nothing for one that is not there. @throws KataError DIRECT_VOLUME_INVALID. */
export function removeDirectVolume(volumePath: string, root = directVolumeRoot): void {
  rmSync(absoluteDir(volumePath, root), { recursive: true, force: true })
}

/** An empty path would be the directory of all volumes. */
function absoluteDir(volumePath: string, root: string): string {
  const directory = directVolumeDir(volumePath, root)
  if (!volumePath.startsWith('/'))
    throw new KataError('DIRECT_VOLUME_INVALID', {
      path: `${directory}/${noteName}`,
      reason: 'the volume path is no absolute path',
    })
  return directory
}

/** The sandboxes that have the volume. @throws KataError DIRECT_VOLUME_MISSING. */
export function sandboxesOf(volumePath: string, root = directVolumeRoot): string[] {
  const directory = directVolumeDir(volumePath, root)
  if (read(`${directory}/${noteName}`) === undefined)
    throw new KataError('DIRECT_VOLUME_MISSING', { volume: volumePath })
  return readdirSync(directory).filter((name) => !name.startsWith(noteName))
}

/** A size that a disk can have: decimal bytes. @throws KataError DIRECT_VOLUME_SIZE. */
export function requireSize(volume: string, size: string | bigint): bigint {
  const refuse = (reason: string) =>
    new KataError('DIRECT_VOLUME_SIZE', { volume, size: String(size), reason })
  if (!/^\d{1,20}$/.test(String(size))) throw refuse('that is no decimal number')
  const bytes = BigInt(size)
  if (bytes === 0n || bytes % 512n !== 0n) throw refuse('it is no multiple of 512')
  if (bytes > Number.MAX_SAFE_INTEGER) throw refuse('no disk is as large')
  return bytes
}

/** @throws KataError DIRECT_VOLUME_INVALID. */
function parseNote(text: string, path: string): Omit<DirectVolume, 'directory'> {
  const invalid = (reason: string, cause?: unknown) =>
    new KataError('DIRECT_VOLUME_INVALID', { path, reason }, { cause })
  if (text.length > maxBytes) throw invalid(`it has more than ${maxBytes} bytes`)
  const {
    device,
    fstype: fsType,
    options = [],
    metadata = {},
    'volume-type': type = '',
  } = parse(text, invalid)
  if (!diskTypes.has(type))
    throw invalid(`volume-type is ${JSON.stringify(type)}, and only "block" and "directvol" are known`)
  if (!device.startsWith('/')) throw invalid('device is no absolute path')
  if (!/^[a-z0-9]+$/.test(fsType)) throw invalid('fstype is no file system')
  const { fsGroup, fsGroupChangePolicy, encryptionKey, createFilesystem = 'false' } = metadata
  if (encryptionKey !== undefined)
    throw invalid('it has an encryptionKey, and kata-ts has no encrypted disks')
  if (createFilesystem !== 'false')
    throw invalid('it has createFilesystem, and kata-ts makes no file systems on direct volumes')
  if (fsGroup !== undefined && !isGroup(fsGroup)) throw invalid('fsGroup is no number of a group')
  return {
    device,
    fsType,
    options,
    ...(fsGroup === undefined
      ? {}
      : { fsGroup: { id: Number(fsGroup), onRootMismatch: fsGroupChangePolicy === 'OnRootMismatch' } }),
  }
}

/** The kernel's highest number means none. */
const isGroup = (text: string): boolean => /^\d{1,10}$/.test(text) && Number(text) < 0xffffffff

/** Leaves the sandbox's name beside the note. */
export function markDirectVolume(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
}

interface Note {
  readonly 'volume-type'?: string
  readonly device: string
  readonly fstype: string
  readonly options?: readonly string[]
  readonly metadata?: {
    readonly fsGroup?: string
    readonly fsGroupChangePolicy?: string
    readonly encryptionKey?: string
    readonly createFilesystem?: string
  }
}

/** Kata's drivers write the group as a text; others as a number. */
const group: Reader<string> = (value, at) =>
  typeof value === 'number' ? String(value) : readJsonText(value, at)

const note = record<Note>({
  'volume-type': readJsonText,
  device: needed(readJsonText),
  fstype: needed(readJsonText),
  options: list(readJsonText),
  metadata: record<NonNullable<Note['metadata']>>({
    fsGroup: group,
    fsGroupChangePolicy: readJsonText,
    encryptionKey: readJsonText,
    createFilesystem: readJsonText,
  }),
})

function parse(text: string, invalid: (reason: string, cause: unknown) => KataError): Note {
  try {
    return readText(note, text)
  } catch (cause) {
    throw cause instanceof JsonMismatch ? invalid(cause.message, cause) : cause
  }
}

/** A name that is too long for a directory cannot have a note. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') return undefined
    throw error
  }
}
