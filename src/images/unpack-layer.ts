/**
 * Unpacks one image layer into an empty directory as a layer of an overlay: whiteouts become overlay's own
 * (a character device 0:0, the attribute `trusted.overlay.opaque`).
 *
 * The layer is untrusted and we are root, so: every name stays below the directory, no parent of a name is ever a
 * symlink, nothing existing is written through, device nodes are left out (the guest makes its own /dev), and of the
 * extended attributes only file capabilities and `user.` ones are kept: `trusted.overlay.*` would steer the overlay.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { KataError } from '../errors.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { makeWhiteout, setXattr } from '../linux/files/inode.ts'
import type { ByteSource } from './formats/byte-source.ts'
import { readTar, type TarEntry } from './formats/tar-reader.ts'
import type { UnpackBudget } from './formats/unpack-budget.ts'

const whiteoutPrefix = '.wh.'
const opaqueMarker = '.wh..wh..opq'
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/**
 * `layer` names the layer in errors; `budget` is that of its whole image.
 *
 * @throws KataError ROOTFS_ARCHIVE_UNSAFE, ROOTFS_TOO_LARGE. @throws TarError. @throws SyscallError and node:fs
 * errors, for instance ENOSPC.
 */
export async function unpackLayer(
  source: ByteSource,
  directory: string,
  layer: string,
  budget: UnpackBudget,
): Promise<void> {
  const unpacker = new Unpacker(directory, layer)
  for await (const entry of readTar(source)) {
    budget.take(entry)
    await unpacker.add(entry)
  }
  unpacker.finish()
}

class Unpacker {
  readonly #directory: string
  readonly #layer: string
  /** Directories below #directory that are known to be real ones, by relative path. */
  readonly #known = new Set<string>([''])
  /** Times of directories are set at the end: making what is in them changes them. */
  readonly #times = new Map<string, number>()

  constructor(directory: string, layer: string) {
    this.#directory = directory
    this.#layer = layer
  }

  async add(entry: TarEntry): Promise<void> {
    const parts = this.#parts(entry.name, entry.name)
    const name = parts.at(-1)
    if (name === undefined) return this.#addDirectory('', entry)
    const parent = parts.slice(0, -1).join('/')
    this.#makeParents(parts.slice(0, -1), entry.name)
    if (name.startsWith(whiteoutPrefix)) this.#addWhiteout(parent, name, entry.name)
    else await this.#addEntry(parts.join('/'), entry)
  }

  finish(): void {
    for (const [path, mtime] of this.#times) lutimesSync(this.#at(path), mtime, mtime)
  }

  #at(path: string): string {
    return path === '' ? this.#directory : `${this.#directory}/${path}`
  }

  #refuse(entry: string, reason: string): never {
    throw new KataError('ROOTFS_ARCHIVE_UNSAFE', { layer: this.#layer, entry: JSON.stringify(entry), reason })
  }

  /** Relative path as parts; a leading slash means the root of the layer. */
  #parts(path: string, entry: string): string[] {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) this.#refuse(entry, 'its path leads upwards')
    if (path.includes('\0')) this.#refuse(entry, 'its path holds a NUL byte')
    if (parts.some((part) => Buffer.byteLength(part) > 255)) this.#refuse(entry, 'its path is too long')
    return parts
  }

  #makeParents(parts: readonly string[], entry: string): void {
    let path = ''
    for (const part of parts) {
      path = path === '' ? part : `${path}/${part}`
      if (this.#known.has(path)) continue
      const stat = lstatSync(this.#at(path), { throwIfNoEntry: false })
      if (stat === undefined) mkdirSync(this.#at(path), { mode: 0o755 })
      else if (stat.isSymbolicLink()) this.#refuse(entry, 'its path leads through a symbolic link')
      else if (!stat.isDirectory()) this.#refuse(entry, 'its path leads through a file')
      this.#known.add(path)
    }
  }

  #addWhiteout(parent: string, name: string, entry: string): void {
    if (name === opaqueMarker) {
      setXattr(this.#at(parent), 'trusted.overlay.opaque', Buffer.from('y'))
      return
    }
    // `.wh..wh.` names are the aufs driver's own files.
    if (name.startsWith(`${whiteoutPrefix}${whiteoutPrefix}`)) return
    const hidden = name.slice(whiteoutPrefix.length)
    if (hidden === '' || hidden === '.' || hidden === '..') this.#refuse(entry, 'it hides no name')
    const path = this.#at(parent === '' ? hidden : `${parent}/${hidden}`)
    // A whiteout speaks of the layers below; what this layer itself has under the name stays.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) makeWhiteout(path)
  }

  async #addEntry(path: string, entry: TarEntry): Promise<void> {
    if (entry.type === 'directory') return this.#addDirectory(path, entry)
    this.#clear(path)
    const target = this.#at(path)
    if (entry.type === 'char-device' || entry.type === 'block-device') return
    if (entry.type === 'hardlink') return this.#addHardLink(target, entry)
    if (entry.type === 'symlink') this.#addSymlink(target, entry)
    else if (entry.type === 'fifo') makeFifo(target)
    else await writeContent(target, entry)
    this.#setAttributes(target, entry)
    lutimesSync(target, entry.mtime, entry.mtime)
  }

  #addDirectory(path: string, entry: TarEntry): void {
    if (entry.type !== 'directory') this.#refuse(entry.name, 'it would replace the root directory')
    if (!this.#known.has(path)) {
      const stat = lstatSync(this.#at(path), { throwIfNoEntry: false })
      if (stat?.isDirectory() !== true) {
        this.#clear(path)
        mkdirSync(this.#at(path))
      }
      this.#known.add(path)
    }
    this.#setAttributes(this.#at(path), entry)
    this.#times.set(path, entry.mtime)
  }

  #addSymlink(target: string, entry: TarEntry): void {
    if (entry.linkName === '' || entry.linkName.includes('\0'))
      this.#refuse(entry.name, 'it is a symbolic link to nothing')
    // Its target is only ever followed in the guest, so it may point anywhere.
    symlinkSync(entry.linkName, target)
  }

  #addHardLink(target: string, entry: TarEntry): void {
    const parts = this.#parts(entry.linkName, entry.name)
    this.#makeParents(parts.slice(0, -1), entry.name)
    const existing = this.#at(parts.join('/'))
    const stat = lstatSync(existing, { throwIfNoEntry: false })
    if (stat === undefined || stat.isDirectory() || stat.isCharacterDevice())
      this.#refuse(entry.name, 'it is a hard link to a file that the layer does not hold')
    linkSync(existing, target)
  }

  /** Removes what an earlier entry put there: the last one counts. */
  #clear(path: string): void {
    if (lstatSync(this.#at(path), { throwIfNoEntry: false }) === undefined) return
    rmSync(this.#at(path), { recursive: true, force: true })
    for (const set of [this.#known, this.#times])
      for (const key of set.keys()) if (key === path || key.startsWith(`${path}/`)) set.delete(key)
  }

  /** Owner first: changing it clears the set-uid bits and the file capabilities. */
  #setAttributes(target: string, entry: TarEntry): void {
    lchownSync(target, entry.uid, entry.gid)
    if (entry.type !== 'symlink') chmodSync(target, entry.mode)
    for (const [name, value] of entry.xattrs) if (isKeptXattr(name)) setXattr(target, name, value)
  }
}

function isKeptXattr(name: string): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'))
}

async function writeContent(target: string, entry: TarEntry): Promise<void> {
  const fd = openSync(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for await (const piece of entry.content())
      for (let written = 0; written < piece.length; ) written += writeSync(fd, piece, written)
  } finally {
    closeSync(fd)
  }
}
