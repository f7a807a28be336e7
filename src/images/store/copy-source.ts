/**
 * The copy of an image's file or directory that skopeo reads: it has no right to any other file of root's. Whose the directory is may change
 * it meanwhile, and root reads it: everything is opened beneath it and through no link.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  symlinkSync,
} from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { readEntries } from '../../linux/files/directory.ts'
import { writeAll } from '../../linux/files/named-write.ts'
import { O_PATH, openAt, resolve } from '../../linux/files/open-at.ts'
import { shareBlocks } from '../../linux/files/sparse-file.ts'
import { SyscallError } from '../../linux/libc.ts'
import { breather } from '../../time.ts'
import type { ImageSource } from '../names/image-source.ts'

export interface SourceCopy {
  readonly target: string
  /** Who gets it. */
  readonly uid: number
  readonly signal: AbortSignal
  /** @throws when there is no room for so many bytes. */
  readonly checkRoom: (bytes: number) => void
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants
const pieceBytes = 1 << 20
/** Entries, or pieces of a file, between two breaths. */
const breathEvery = 16
/** An image has a file for each layer, and a few besides; a layout may have many images. */
const mostEntries = 100_000

/**
 * Links in a directory stay links, which lead a reader no further than his own rights. What is neither file, directory nor link is left out.
 *
 * @throws KataError ROOTFS_MISSING, PULL_FAILED; what `checkRoom` throws; the signal's reason.
 */
export async function copySource({ reference, place }: ImageSource, request: SourceCopy): Promise<void> {
  if (place === undefined) return
  const source = openSource(place.path)
  try {
    await new Copy(request).any(source, Buffer.from(request.target))
  } catch (error) {
    request.signal.throwIfAborted()
    if (error instanceof KataError && !(error instanceof SyscallError)) throw error
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new KataError('PULL_FAILED', { image: reference, reason: describeError(error) }, { cause: error })
  } finally {
    closeSync(source)
  }
  request.signal.throwIfAborted()
}

/** Links on the way are the person's, who named it. Never waits. */
function openSource(path: string): number {
  const missing = (reason: string, cause?: unknown) =>
    new KataError('ROOTFS_MISSING', { path, reason }, { cause })
  let source: number
  try {
    source = openSync(path, O_PATH)
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    throw missing(code === 'ENOENT' ? 'it does not exist' : code, cause)
  }
  const stat = fstatSync(source)
  if (stat.isFile() || stat.isDirectory()) return source
  closeSync(source)
  throw missing('it is neither a file nor a directory')
}

class Copy {
  readonly #request: SourceCopy
  readonly #breathe: () => Promise<void>
  #bytes = 0
  #entries = 0

  constructor(request: SourceCopy) {
    this.#request = request
    this.#breathe = breather(breathEvery, request.signal)
  }

  /** What is behind `location` (O_PATH), a file or directory, becomes `target`. */
  async any(location: number, target: Buffer): Promise<void> {
    const stat = fstatSync(location)
    // The same file, whatever its name leads to by now.
    const open = () => openSync(`/proc/self/fd/${location}`, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    if (stat.isDirectory()) await closing(open(), (fd) => this.#directory(fd, target))
    else if (stat.isFile()) await closing(open(), (fd) => this.#file(fd, target))
  }

  async #directory(from: number, target: Buffer): Promise<void> {
    const { uid } = this.#request
    mkdirSync(target, { mode: 0o700 })
    for (let entries = readEntries(from); entries !== undefined; entries = readEntries(from))
      // The bytes of the listing are used again by the next piece.
      for (const name of entries.map((entry) => Buffer.from(entry.name))) {
        if (++this.#entries > mostEntries)
          throw new KataError('ROOTFS_TOO_LARGE', { what: 'directory', limit: `${mostEntries} entries` })
        await this.#breathe()
        await this.#entry(from, name, Buffer.concat([target, Buffer.from('/'), name]))
      }
    lchownSync(target, uid, uid)
  }

  async #entry(parent: number, name: Buffer, target: Buffer): Promise<void> {
    const location = openAt(parent, name, O_PATH | O_NOFOLLOW, resolve.beneath | resolve.noSymlinks)
    await closing(location, async (fd) => {
      if (fstatSync(fd).isSymbolicLink()) this.#link(parent, name, target)
      else await this.any(fd, target)
    })
  }

  #link(parent: number, name: Buffer, target: Buffer): void {
    const { uid } = this.#request
    const path = Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), name])
    symlinkSync(readlinkSync(path, { encoding: 'buffer' }), target)
    lchownSync(target, uid, uid)
  }

  /** As many bytes as it had when it was looked at: one that is written to might never end. */
  async #file(from: number, target: Buffer): Promise<void> {
    const { uid, checkRoom } = this.#request
    const { size } = fstatSync(from)
    this.#bytes += size
    checkRoom(this.#bytes)
    const to = openSync(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    await closing(to, async () => {
      fchownSync(to, uid, uid)
      if (shareBlocks(from, to)) return
      const piece = Buffer.alloc(Math.min(pieceBytes, size))
      for (let at = 0; at < size; ) {
        await this.#breathe()
        const count = readSync(from, piece, 0, Math.min(piece.length, size - at), at)
        if (count === 0) return
        writeAll(to, piece.subarray(0, count), target.toString())
        at += count
      }
    })
  }
}

async function closing(fd: number, work: (fd: number) => Promise<void>): Promise<void> {
  try {
    await work(fd)
  } finally {
    closeSync(fd)
  }
}
