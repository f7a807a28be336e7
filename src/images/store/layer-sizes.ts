/** What unpacked layers take on the disk, counted once for each. */
import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { readEntries } from '../../linux/files/directory.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { fileIdentity, identityAt, identityOf } from '../../linux/files/file-identity.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { openAt, openDirectoryAt } from '../../linux/files/open-at.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { SyscallError } from '../../linux/libc.ts'
import type { StorePaths } from './store-paths.ts'

/** The directory of an unpacked layer. */
export const layerName = (diffId: string): string => diffId.replace(':', '-')

/** Names of all unpacked layers. */
export function layerNames({ layers }: StorePaths): string[] {
  return existsSync(layers) ? readdirSync(layers).filter((name) => /^sha256-[0-9a-f]{64}$/.test(name)) : []
}

/** Bytes on the disk of an unpacked layer; undefined when it is not unpacked. */
export function layerBytes({ layers, sizes }: StorePaths, name: string): number | undefined {
  const directory = `${layers}/${name}`
  const before = identityAt(directory)
  if (before === undefined) return undefined
  const note = `${sizes}/${name}`
  const known = noted(note)
  if (known !== undefined) return known
  const bytes = treeBytes(directory)
  // A removal may have gone through it at the same time: what was counted then is no layer's size.
  if (existsSync(sizes) && identityAt(directory) === before) noteBytes(note, bytes)
  return bytes
}

/** On a full disk it is counted again the next time: what makes room asks for sizes too. */
function noteBytes(note: string, bytes: number): void {
  try {
    replaceFile(note, String(bytes))
  } catch (error) {
    if (!isDiskFull(error)) throw error
  }
}

export function forgetLayerSize({ sizes }: StorePaths, name: string): void {
  rmSync(`${sizes}/${name}`, { force: true })
}

function noted(note: string): number | undefined {
  try {
    const bytes = Number(readFileSync(note, 'utf8'))
    return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Bytes of all blobs. */
export function blobsBytes({ blobs }: StorePaths): number {
  return namesIn(blobs).reduce((sum, name) => sum + bytesOnDisk(`${blobs}/${name}`), 0)
}

/** What a file takes there; nothing once it is gone. */
export function bytesOnDisk(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
}

/** What a tree takes of a file system. */
export interface TreeUse {
  readonly bytes: number
  /** Names in it. */
  readonly entries: number
}

/** What counts of a tree. */
interface Counted {
  /** What others own counts nothing; undefined: all counts. */
  readonly owner?: number
  /** Once there are more, the rest is not looked at. */
  readonly mostEntries?: number
}

/** {@link treeUse} in bytes. */
export const treeBytes = (directory: string, owner?: number): number =>
  treeUse(directory, owner === undefined ? {} : { owner }).bytes

/**
 * Bytes on the disk of a directory with all below it, and how many entries that has; files with several names take their bytes once. What vanishes
 * meanwhile counts nothing, and neither does what is mounted in it. A guest may have made the tree, and go on: it is of any depth, and no link leads
 * out of it.
 */
export function treeUse(directory: string, counted: Counted = {}): TreeUse {
  const stat = lstatSync(directory, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) return { bytes: 0, entries: 0 }
  const top = stat.isDirectory() ? unlessAnother(() => openSync(directory, directoryFlags)) : undefined
  const { bytes, entries } = top === undefined ? { bytes: 0, entries: 0 } : useIn(top, counted)
  return { bytes: bytes + (isCounted(stat, counted) ? Number(stat.blocks) * 512 : 0), entries }
}

const isCounted = ({ uid }: BigIntStats, { owner }: Counted): boolean =>
  owner === undefined || owner === Number(uid)

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

interface Level {
  /** Which directory it is. */
  readonly identity: string
  /** Directories in it that were not looked into yet. */
  readonly pending: Buffer[]
}

/** Closes `top`. One directory is open at a time: the way back is that to the parent. */
function useIn(top: number, counted: Counted): TreeUse {
  const { mostEntries = Number.POSITIVE_INFINITY } = counted
  const seen = new Set<string>()
  const levels: Level[] = []
  let [bytes, entries] = [0, 0]
  const enter = (fd: number) => {
    const found = entriesOf(fd, mostEntries)
    for (const { stat } of found) {
      if (!isCounted(stat, counted)) continue
      entries++
      if (stat.nlink > 1 && !stat.isDirectory()) {
        const identity = fileIdentity(stat)
        if (seen.has(identity)) continue
        seen.add(identity)
      }
      bytes += Number(stat.blocks) * 512
    }
    const pending = found.flatMap(({ stat, name }) => (stat.isDirectory() ? [name] : []))
    levels.push({ identity: identityOf(fd), pending })
  }
  let fd = top
  try {
    enter(fd)
    for (let level = levels.at(-1); level !== undefined && entries <= mostEntries; level = levels.at(-1)) {
      const name = level.pending.pop()
      let next: number | undefined
      if (name === undefined) {
        levels.pop()
        next = levels.length === 0 ? undefined : parentOf(fd, levels.at(-1)!.identity)
        // All was seen, or the directory was moved elsewhere.
        if (next === undefined) break
      } else {
        next = unlessAnother(() => openDirectoryAt(fd, name))
        if (next === undefined) continue
      }
      closeSync(fd)
      fd = next
      if (name !== undefined) enter(fd)
    }
    return { bytes, entries }
  } finally {
    closeSync(fd)
  }
}

/** Those of a directory, or more than `most` of them. */
function entriesOf(fd: number, most: number): { readonly name: Buffer; readonly stat: BigIntStats }[] {
  const found: { readonly name: Buffer; readonly stat: BigIntStats }[] = []
  const beginning = Buffer.from(`/proc/self/fd/${fd}/`)
  for (
    let entries = readEntries(fd);
    entries !== undefined && found.length <= most;
    entries = readEntries(fd)
  )
    for (const { name } of entries) {
      const stat = lstatSync(Buffer.concat([beginning, name]), { bigint: true, throwIfNoEntry: false })
      if (stat !== undefined) found.push({ name: Buffer.from(name), stat })
    }
  return found
}

/** Undefined when it is not that of before. */
function parentOf(fd: number, identity: string): number | undefined {
  const parent = openAt(fd, '..', directoryFlags, 0)
  if (identityOf(parent) === identity) return parent
  closeSync(parent)
  return undefined
}

/** Undefined when the name is gone, or something else's, or that of a mount. */
function unlessAnother(open: () => number): number | undefined {
  try {
    return open()
  } catch (error) {
    const errno = error instanceof SyscallError ? error.errno : (error as NodeJS.ErrnoException).code
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(errno ?? '')) return undefined
    throw error
  }
}
