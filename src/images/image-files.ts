/**
 * The files of an image, in any of its forms: a tar archive, compressed or not, an archive from a pipe, or a directory (an OCI
 * image layout). Each file and pipe is opened once; what is read later is read by that descriptor. Whose the directory is may change it at
 * any time, and root reads it: its files are opened beneath it and through no link.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../errors.ts'
import { openAt, resolve } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { breather } from '../time.ts'
import { fileSource } from './formats/byte-source.ts'
import { TarError } from './formats/tar-header.ts'
import { readTar } from './formats/tar-reader.ts'
import { spool, spoolDecompressed } from './spool.ts'

/** Where the bytes of one file are. */
export interface Member {
  /** A path that is good until the image is let go of. */
  readonly file: string
  readonly offset: number
  readonly size: number
  /** The member that a link leads to. */
  readonly linkTo?: string
}

/** By their names. */
export interface Members {
  get(name: string): Member | undefined
}

export interface ImageFiles extends Disposable {
  readonly members: Members
}

/** A layer is three of them at most. */
const maxMembers = 10_000
/** With directories, and with what has the name of an earlier one. */
const maxEntries = 2 * maxMembers
/** Entries between two breaths. */
const breathEvery = 64

/**
 * `spoolDir` has room for an image that comes through a pipe.
 *
 * @throws KataError ROOTFS_MISSING, ROOTFS_ARCHIVE_INVALID, ROOTFS_TOO_LARGE, ROOTFS_UNPACK_FAILED; the signal's reason.
 */
export async function openImageFiles(
  path: string,
  spoolDir: string,
  signal?: AbortSignal,
): Promise<ImageFiles> {
  const fd = open(path)
  try {
    if (fstatSync(fd).isDirectory()) return layoutFiles(path, fd)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  const tar = await positioned(fd, path, spoolDir, signal)
  try {
    return { members: await tarMembers(path, tar, signal), [Symbol.dispose]: () => closeSync(tar) }
  } catch (error) {
    closeSync(tar)
    throw error
  }
}

/**
 * A tar in a file or from a pipe, compressed or not, as a path that can be read from any position until the result is disposed of.
 *
 * @throws KataError ROOTFS_MISSING, ROOTFS_TAR_INVALID, ROOTFS_TOO_LARGE, ROOTFS_UNPACK_FAILED; the signal's reason.
 */
export async function openFileTar(
  path: string,
  spoolDir: string,
  signal?: AbortSignal,
): Promise<Disposable & { readonly file: string }> {
  const fd = await positioned(open(path), path, spoolDir, signal).catch((error: unknown) => {
    throw isNoArchive(error) ? notTar(path, error.fields.reason, error) : error
  })
  try {
    // An empty one is a tar, too.
    for await (const _ of readTar(fileSource(fd))) break
  } catch (cause) {
    closeSync(fd)
    if (!(cause instanceof TarError)) throw cause
    throw notTar(path, cause.message, cause)
  }
  return { file: `/proc/self/fd/${fd}`, [Symbol.dispose]: () => closeSync(fd) }
}

const isNoArchive = (error: unknown): error is KataError =>
  error instanceof KataError && error.code === 'ROOTFS_ARCHIVE_INVALID'

/** An archive of files is no image: other commands make it, and the remedy names them. */
const notTar = (path: string, reason: unknown, cause: unknown): KataError =>
  new KataError('ROOTFS_TAR_INVALID', { path, reason: String(reason) }, { cause })

/** The same content by a descriptor that has a position; takes `opened` over. */
async function positioned(
  opened: number,
  path: string,
  spoolDir: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  let fd = opened
  /** `make` gives a descriptor for the place of this one. */
  const replace = async (make: (before: number) => Promise<number>) => {
    const before = fd
    fd = await make(before)
    closeSync(before)
  }
  try {
    const stat = fstatSync(fd)
    if (stat.isFIFO()) await replace((pipe) => spool(pipe, path, spoolDir, signal))
    else if (!stat.isFile())
      throw new KataError('ROOTFS_MISSING', { path, reason: 'it is neither a file nor a pipe' })
    const compression = compressionOf(fd, path)
    if (compression !== undefined)
      await replace((packed) => spoolDecompressed(packed, compression, path, spoolDir, signal))
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function compressionOf(fd: number, path: string) {
  const magic = Buffer.alloc(10)
  readSync(fd, magic, 0, magic.length, 0)
  requireRead(path, magic)
  return isCompressed(magic)
}

/** Never waits: a FIFO is opened even without a writer. */
function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('ROOTFS_MISSING', { path, reason }, { cause })
  }
}

async function tarMembers(
  path: string,
  fd: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, Member>> {
  const file = `/proc/self/fd/${fd}`
  const members = new Map<string, Member>()
  const breathe = breather(breathEvery, signal)
  let entries = 0
  try {
    for await (const entry of readTar(fileSource(fd))) {
      if (members.size >= maxMembers) throw tooMany(`${maxMembers} files`)
      if (++entries > maxEntries) throw tooMany(`${maxEntries} entries`)
      await breathe()
      const { offset, size, type, linkName } = entry
      const name = posix.normalize(entry.name)
      if (type === 'file') members.set(name, { file, offset, size })
      // Old versions of docker save a repeated layer as a link to the first one.
      if (type === 'symlink')
        members.set(name, { file, offset, size, linkTo: posix.join(posix.dirname(name), linkName) })
      if (type === 'hardlink') members.set(name, { file, offset, size, linkTo: posix.normalize(linkName) })
    }
  } catch (cause) {
    if (!(cause instanceof TarError)) throw cause
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason: cause.message }, { cause })
  }
  return members
}

/** The names of a layout's files that are read. */
const layoutNames = /^(?:index\.json|blobs\/sha256\/[0-9a-f]{64})$/

/** Takes `directory` over. Files are opened when they are asked for: a store has many, and others add and remove some meanwhile. */
function layoutFiles(path: string, directory: number): ImageFiles {
  using opening = new DisposableStack()
  let opened = opening
  const known = new Map<string, Member | undefined>()
  const members = {
    get(name: string) {
      if (!layoutNames.test(name)) return undefined
      if (!known.has(name)) known.set(name, layoutMember({ path, directory }, name, opened))
      return known.get(name)
    },
  }
  if (members.get('index.json') === undefined)
    throw new KataError('ROOTFS_ARCHIVE_INVALID', {
      path,
      reason: 'it is a directory without an index.json (a root file system is given by --rootfs)',
    })
  opened = opening.move()
  opened.adopt(directory, closeSync)
  return { members, [Symbol.dispose]: () => opened.dispose() }
}

interface Layout {
  /** For errors. */
  readonly path: string
  readonly directory: number
}

/** Undefined for what is no file. @throws KataError ROOTFS_ARCHIVE_INVALID for what is behind a link; errors of openat2(2). */
function layoutMember(layout: Layout, name: string, opened: DisposableStack): Member | undefined {
  const fd = openBeneath(layout, name)
  if (fd === undefined) return undefined
  const stat = fstatSync(opened.adopt(fd, closeSync))
  return stat.isFile() ? { file: `/proc/self/fd/${fd}`, offset: 0, size: stat.size } : undefined
}

function openBeneath({ path, directory }: Layout, name: string): number | undefined {
  try {
    const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants
    return openAt(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, resolve.beneath | resolve.noSymlinks)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.errno === 'ELOOP') {
      const reason = `it holds no file ${name}: a symbolic link leads there, and none is followed`
      throw new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason }, { cause: error })
    }
    if (['ENOENT', 'ENOTDIR', 'ENXIO'].includes(error.errno)) return undefined
    throw error
  }
}

const tooMany = (limit: string): KataError => new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit })

/** Whether these first bytes are those of gzip (RFC 1952) or Zstandard (RFC 8878), which may begin with a frame to be skipped. */
export function isCompressed(magic: Uint8Array): 'gzip' | 'zstd' | undefined {
  const hex = Buffer.from(magic.subarray(0, 4)).toString('hex')
  if (hex.startsWith('1f8b')) return 'gzip'
  return /^(28b52ffd|5.2a4d18)$/.test(hex) ? 'zstd' : undefined
}

/** What docker reads, too, and we do not, by its first bytes; BZh alone may begin the name of a file. */
const unread = { xz: /^fd377a585a00/, bzip2: /^425a683[1-9]314159265359/ }

function requireRead(path: string, magic: Buffer): void {
  const found = Object.entries(unread).find(([, beginning]) => beginning.test(magic.toString('hex')))
  if (found === undefined) return
  const [name] = found
  const reason = `it is compressed with ${name}, which is not read; decompress it (${name} -dc)`
  throw new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason })
}
