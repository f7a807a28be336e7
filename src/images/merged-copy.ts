/**
 * Copies a directory of an image, as an overlay would show its layers, into a directory of the host's. The author of the image chose
 * names and links, and we are root: every name is opened beneath its layer and through no link, and what a link says is copied, not followed.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { readEntries } from '../linux/files/directory.ts'
import {
  closing,
  O_PATH,
  openAt,
  openDirectoryAt,
  resolve,
  workingDirectory,
} from '../linux/files/open-at.ts'
import { breather } from '../time.ts'
import { findInImage, isOpaque } from './account-files.ts'
import { openLayerDirectory } from './layer-directory.ts'

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
const beneath = resolve.beneath | resolve.noSymlinks | resolve.noXdev
const pieceBytes = 1 << 20
/** Entries, or pieces of a file, between two breaths. */
const breathEvery = 64

/**
 * Fills the empty directory `target` with what the image has at `path`, and gives it the owner and the mode from there. Files keep owners,
 * modes and times; names of one file stay that, or a small image would fill the disk; devices, FIFOs and sockets are left out, as are
 * extended attributes.
 *
 * @returns false when the image has no such directory; `target` stays as it is.
 * @throws SyscallError and node:fs errors such as ENOSPC. @throws the signal's reason.
 */
export async function copyMergedDirectory(
  lowerDirs: readonly string[],
  path: string,
  target: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const found = findInImage(lowerDirs, path)
  if (found?.kind !== 'directory') return false
  const sources: number[] = []
  const into = openSync(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    for (const layer of found.layers) sources.push(openInLayer(layer, found.parts))
    await new MergedCopy(into, signal).directory(sources, into, Buffer.alloc(0))
  } finally {
    for (const fd of [...sources, into]) closeSync(fd)
  }
  return true
}

function openInLayer(layer: string, parts: readonly string[]): number {
  return closing(openAt(workingDirectory, layer, O_PATH, 0), (root) =>
    openAt(root, parts.join('/') || '.', O_RDONLY | O_DIRECTORY, resolve.beneath | resolve.noSymlinks),
  )
}

class MergedCopy {
  readonly #top: number
  readonly #breathe: () => Promise<void>
  /** Where a file of several names was copied to, below the top, by its file system and inode. */
  readonly #copied = new Map<string, Buffer>()

  constructor(top: number, signal: AbortSignal | undefined) {
    this.#top = top
    this.#breathe = breather(breathEvery, signal)
  }

  /** `sources` are one directory of the layers, topmost first; `into` is open at `path` below the top, which ends with a slash. */
  async directory(sources: readonly number[], into: number, path: Buffer): Promise<void> {
    const done = new Set<string>()
    for (const [index, source] of sources.entries()) {
      for (let entries = readEntries(source); entries !== undefined; entries = readEntries(source)) {
        for (const { name } of entries) {
          const key = name.toString('latin1')
          if (done.has(key)) continue
          done.add(key)
          await this.#breathe()
          await this.#entry(sources.slice(index), Buffer.from(name), { into, path })
        }
      }
    }
    giveFacts(into, fstatSync(sources[0]!))
  }

  /** What the topmost of `sources` has under this name. A whiteout is one of the devices that are left out. */
  async #entry(sources: readonly number[], name: Buffer, place: Place): Promise<void> {
    const [source = -1] = sources
    const stat = closing(openAt(source, name, O_PATH | O_NOFOLLOW, beneath), (fd) => fstatSync(fd))
    if (stat.isDirectory()) await this.#subdirectory(sources, name, place)
    else if (stat.isFile()) await this.#copyFile(source, name, place)
    else if (stat.isSymbolicLink()) copyLink(source, name, place.into, stat)
  }

  async #subdirectory(sources: readonly number[], name: Buffer, { into, path }: Place): Promise<void> {
    mkdirSync(inside(into, name), { mode: 0o700 })
    const opened: number[] = []
    try {
      for (const source of sources) {
        const fd = openLayerDirectory(source, name)
        if (fd === undefined) continue
        if (fd === 'other') break
        opened.push(fd)
        if (isOpaque(fd)) break
      }
      const target = openDirectoryAt(into, name)
      opened.push(target)
      await this.directory(opened.slice(0, -1), target, Buffer.concat([path, name, Buffer.from('/')]))
    } finally {
      for (const fd of opened) closeSync(fd)
    }
  }

  async #copyFile(source: number, name: Buffer, { into, path }: Place): Promise<void> {
    const from = openAt(source, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, beneath)
    try {
      const stat = fstatSync(from)
      if (!stat.isFile()) return
      const inode = inodeOf(from)
      if (inode !== undefined && this.#link(inode, into, name)) return
      const to = openSync(inside(into, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
      try {
        await this.#copyBytes(from, to, stat.size)
        giveFacts(to, stat)
        if (inode !== undefined) this.#copied.set(inode, Buffer.concat([path, name]))
      } finally {
        closeSync(to)
      }
    } finally {
      closeSync(from)
    }
  }

  /** No more than it had when it was looked at: of a directory of the host (`--rootfs`), one that somebody writes to might never end. */
  async #copyBytes(from: number, to: number, size: number): Promise<void> {
    const bytes = Buffer.alloc(Math.min(pieceBytes, size))
    for (let left = size; left > 0; ) {
      const count = readSync(from, bytes, 0, Math.min(bytes.length, left), null)
      if (count === 0) return
      for (let at = 0; at < count; ) at += writeSync(to, bytes, at, count - at)
      left -= count
      await this.#breathe()
    }
  }

  /** False for a file that was not copied yet, or has as many names as one can have. */
  #link(inode: string, into: number, name: Buffer): boolean {
    const copied = this.#copied.get(inode)
    if (copied === undefined) return false
    try {
      linkSync(inside(this.#top, copied), inside(into, name))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EMLINK') return false
      throw error
    }
  }
}

/** A directory of the copy: open, and its path below the top. */
interface Place {
  readonly into: number
  readonly path: Buffer
}

/** Undefined for a file of one name. In whole numbers: a file system may use all the bits. */
function inodeOf(fd: number): string | undefined {
  const { dev, ino, nlink } = fstatSync(fd, { bigint: true })
  return nlink > 1n ? `${dev} ${ino}` : undefined
}

function copyLink(source: number, name: Buffer, into: number, { uid, gid }: Stats): void {
  const target = readlinkSync(inside(source, name), { encoding: 'buffer' })
  symlinkSync(target, inside(into, name))
  lchownSync(inside(into, name), uid, gid)
}

/** The owner before the mode: a change of owner takes set-user-id bits away. */
function giveFacts(fd: number, { uid, gid, mode, atimeMs, mtimeMs }: Stats): void {
  fchownSync(fd, uid, gid)
  fchmodSync(fd, mode & 0o7777)
  futimesSync(fd, atimeMs / 1000, mtimeMs / 1000)
}

/** A name, or a path, in an open directory, as a path; names are bytes, and need not be text. */
const inside = (directory: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name])
