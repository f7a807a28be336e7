/**
 * Unpacks what a container says are its files, for a person on the host. The stream is untrusted and we are root, so it goes into an
 * empty directory that nobody else may enter: every name stays below it, no parent of a name is ever a symbolic link, and nothing that
 * exists is opened. Files belong to the person, have no set-user-id bits and no extended attributes; devices and FIFOs are left out.
 */
import { chmodSync, linkSync, lstatSync, lutimesSync, mkdirSync, symlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { type ByteSource, chunkSource } from './formats/byte-source.ts'
import { TarError } from './formats/tar-header.ts'
import { readTar, type TarEntry } from './formats/tar-reader.ts'
import { UnpackBudget, type UnpackLimits } from './formats/unpack-budget.ts'
import { writeNewFile } from './new-file.ts'

const mostNameBytes = 255
/** More than tar adds, bytes. */
const mostPadding = 1 << 20

export interface UnpackedCopy {
  /** Names. */
  readonly leftOut: readonly string[]
  /** Gives directories their modes and times. Until then any person can remove all of it. */
  finish(): void
}

/** The limits of one copy. */
const copyLimits: UnpackLimits = { bytes: 32 * 2 ** 30, entries: 2_000_000 }

/**
 * `directory` is empty and 0700; `container` is for messages.
 *
 * @throws KataError COPY_UNSAFE, COPY_FAILED. @throws what the stream throws, and node:fs errors such as ENOSPC.
 */
export async function unpackCopy(
  stream: AsyncIterable<Uint8Array>,
  directory: string,
  { container, limits = copyLimits }: { container: string; limits?: UnpackLimits },
): Promise<UnpackedCopy> {
  const copy = new Copy(directory)
  const budget = new UnpackBudget(limits)
  try {
    const source = chunkSource(stream)
    for await (const entry of readTar(source)) {
      budget.take(entry)
      await copy.add(entry)
    }
    await readPadding(source)
  } catch (error) {
    throw explained(error, container, limits)
  }
  return copy
}

/** Tar fills its last block up with zeros, and waits until somebody has read them. */
async function readPadding(source: ByteSource): Promise<void> {
  const end = source.position + mostPadding
  while ((await source.readSome(64 * 1024)).length > 0)
    if (source.position > end) throw new TarError('it goes on behind its end')
}

function explained(error: unknown, name: string, { bytes, entries }: UnpackLimits): unknown {
  const isLarge = error instanceof KataError && error.code === 'ROOTFS_TOO_LARGE'
  if (!isLarge && !(error instanceof TarError)) return error
  const reason = isLarge ? `it is more than ${bytes} bytes or ${entries} files` : error.message
  return new KataError('COPY_FAILED', { name, reason }, { cause: error })
}

class Copy implements UnpackedCopy {
  readonly leftOut: string[] = []
  readonly #root: string
  /** Modes and times of directories, set at the end: until then we have to be able to write into them. */
  readonly #directories = new Map<string, TarEntry>()

  constructor(root: string) {
    this.#root = root
  }

  async add(entry: TarEntry): Promise<void> {
    const parts = partsOf(entry.name, entry)
    const path = this.#at(parts)
    if (parts.length === 0 && entry.type !== 'directory') throw unsafe(entry, 'it takes the place of all')
    this.#requireDirectories(parts.slice(0, -1), entry)
    if (entry.type === 'directory') return this.#addDirectory(path, entry)
    if (entry.type === 'char-device' || entry.type === 'block-device' || entry.type === 'fifo')
      return void this.leftOut.push(entry.name)
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw unsafe(entry, 'it is there twice')
    if (entry.type === 'hardlink') return this.#addHardLink(path, entry)
    if (entry.type === 'symlink') addSymlink(path, entry)
    else await addFile(path, entry)
    lutimesSync(path, entry.mtime, entry.mtime)
  }

  /** Deepest first, as a parent may not be writable afterwards. */
  finish(): void {
    for (const [path, { mode, mtime }] of [...this.#directories].reverse()) {
      if (path === this.#root) continue
      chmodSync(path, plainMode(mode))
      lutimesSync(path, mtime, mtime)
    }
  }

  #at(parts: readonly string[]): string {
    return [this.#root, ...parts].join('/')
  }

  /** A tar of files has each directory before what is in it. */
  #requireDirectories(parts: readonly string[], entry: TarEntry): void {
    for (let depth = 1; depth <= parts.length; depth++) {
      const stat = lstatSync(this.#at(parts.slice(0, depth)), { throwIfNoEntry: false })
      if (stat === undefined) throw unsafe(entry, 'its directory is not in the stream')
      if (!stat.isDirectory()) throw unsafe(entry, 'its path leads through something that is no directory')
    }
  }

  #addDirectory(path: string, entry: TarEntry): void {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) mkdirSync(path, { mode: 0o700 })
    else if (!stat.isDirectory()) throw unsafe(entry, 'it is there twice')
    this.#directories.set(path, entry)
  }

  #addHardLink(path: string, entry: TarEntry): void {
    const parts = partsOf(entry.linkName, entry)
    this.#requireDirectories(parts.slice(0, -1), entry)
    const existing = this.#at(parts)
    if (lstatSync(existing, { throwIfNoEntry: false })?.isFile() !== true)
      throw unsafe(entry, 'it is a hard link to a file that was not copied')
    linkSync(existing, path)
  }
}

/** A leading slash means the root of the copy. */
function partsOf(path: string, entry: TarEntry): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw unsafe(entry, 'its path leads upwards')
  if (path.includes('\0')) throw unsafe(entry, 'its path holds a NUL byte')
  if (parts.some((part) => Buffer.byteLength(part) > mostNameBytes))
    throw unsafe(entry, 'its name is too long')
  return parts
}

/** Its target is the container's word; who follows it does that on the host. */
function addSymlink(path: string, entry: TarEntry): void {
  if (entry.linkName === '' || entry.linkName.includes('\0'))
    throw unsafe(entry, 'it is a symbolic link to nothing')
  symlinkSync(entry.linkName, path)
}

async function addFile(path: string, entry: TarEntry): Promise<void> {
  await writeNewFile(path, entry)
  chmodSync(path, plainMode(entry.mode))
}

/** Neither set-user-id nor set-group-id: the file is root's here. */
const plainMode = (mode: number): number => mode & 0o777

function unsafe(entry: TarEntry, reason: string): KataError {
  return new KataError('COPY_UNSAFE', { entry: JSON.stringify(entry.name.slice(0, 200)), reason })
}
