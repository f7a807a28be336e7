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
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs'
import { KataError } from '../errors.ts'
import { makeFifo } from '../linux/files/fifo.ts'
import { makeWhiteout, setXattr } from '../linux/files/inode.ts'
import type { ByteSource } from './formats/byte-source.ts'
import { readTar, type TarEntry } from './formats/tar-reader.ts'
import type { UnpackBudget } from './formats/unpack-budget.ts'
import { writeNewFile } from './new-file.ts'

const whiteoutPrefix = '.wh.'
const opaqueMarker = '.wh..wh..opq'

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
  const unpacker = new Unpacker(directory, layer, budget)
  for await (const entry of readTar(source)) {
    budget.take(entry)
    await unpacker.add(entry)
  }
  unpacker.finish()
}

/** A directory of the layer that is known to be a real one. */
class Known {
  readonly below = new Map<string, Known>()
  /** Set at the end: making what is in it changes it. */
  mtime: number | undefined
}

interface Place {
  readonly path: string
  readonly known: Known
}

class Unpacker {
  readonly #root: Place
  readonly #layer: string
  readonly #budget: UnpackBudget

  constructor(directory: string, layer: string, budget: UnpackBudget) {
    this.#root = { path: directory, known: new Known() }
    this.#layer = layer
    this.#budget = budget
  }

  async add(entry: TarEntry): Promise<void> {
    const parts = this.#parts(entry.name, entry.name)
    const name = parts.pop()
    if (name === undefined) return this.#addRoot(entry)
    const hides = name.startsWith(whiteoutPrefix)
    const parent = this.#makeParents(parts, entry.name, hides)
    if (parent === undefined) return
    if (hides) this.#addWhiteout(parent, name, entry.name)
    else await this.#addEntry(parent, name, entry)
  }

  finish(): void {
    const pending = [this.#root]
    for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
      const { path, known } = place
      if (known.mtime !== undefined) lutimesSync(path, known.mtime, known.mtime)
      for (const [name, below] of known.below) pending.push({ path: `${path}/${name}`, known: below })
    }
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

  /** Undefined: what lies there is hidden by the layer itself, and a whiteout, for which `hides` stands, has nothing left to hide. */
  #makeParents(parts: readonly string[], entry: string, hides: boolean): Place | undefined {
    let { path, known } = this.#root
    for (const part of parts) {
      path = `${path}/${part}`
      let next = known.below.get(part)
      if (next === undefined) {
        const stat = lstatSync(path, { throwIfNoEntry: false })
        if (stat?.isSymbolicLink()) this.#refuse(entry, 'its path leads through a symbolic link')
        if (stat !== undefined && isWhiteout(stat)) {
          if (hides) return undefined
          rmSync(path)
        } else if (stat?.isDirectory() === false) this.#refuse(entry, 'its path leads through a file')
        if (stat?.isDirectory() !== true) {
          // No entry of the archive speaks of it, but it takes as much.
          this.#budget.take({ type: 'directory', size: 0, name: part })
          makeDirectory(path, stat)
        }
        next = new Known()
        known.below.set(part, next)
      }
      known = next
    }
    return { path, known }
  }

  #addWhiteout(parent: Place, name: string, entry: string): void {
    if (name === opaqueMarker) {
      setOpaque(parent.path)
      return
    }
    // `.wh..wh.` names are the aufs driver's own files.
    if (name.startsWith(`${whiteoutPrefix}${whiteoutPrefix}`)) return
    const hidden = name.slice(whiteoutPrefix.length)
    if (hidden === '' || hidden === '.' || hidden === '..') this.#refuse(entry, 'it hides no name')
    const path = `${parent.path}/${hidden}`
    const stat = lstatSync(path, { throwIfNoEntry: false })
    // A whiteout speaks of the layers below; what this layer itself has under the name stays.
    if (stat === undefined) makeWhiteout(path)
    else if (stat.isDirectory()) setOpaque(path)
  }

  async #addEntry(parent: Place, name: string, entry: TarEntry): Promise<void> {
    if (entry.type === 'directory') return this.#addDirectory(parent, name, entry)
    this.#clear(parent, name)
    const target = `${parent.path}/${name}`
    if (entry.type === 'char-device' || entry.type === 'block-device') return
    if (entry.type === 'hardlink') return this.#addHardLink(target, entry)
    if (entry.type === 'symlink') this.#addSymlink(target, entry)
    else if (entry.type === 'fifo') makeFifo(target)
    else await writeNewFile(target, entry)
    this.#setAttributes(target, entry)
    lutimesSync(target, entry.mtime, entry.mtime)
  }

  #addRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') this.#refuse(entry.name, 'it would replace the root directory')
    this.#setAttributes(this.#root.path, entry)
    this.#root.known.mtime = entry.mtime
  }

  #addDirectory(parent: Place, name: string, entry: TarEntry): void {
    const path = `${parent.path}/${name}`
    let known = parent.known.below.get(name)
    if (known === undefined) {
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (stat !== undefined) this.#clear(parent, name)
      makeDirectory(path, stat)
      known = new Known()
      parent.known.below.set(name, known)
    }
    this.#setAttributes(path, entry)
    known.mtime = entry.mtime
  }

  #addSymlink(target: string, entry: TarEntry): void {
    if (entry.linkName === '' || entry.linkName.includes('\0'))
      this.#refuse(entry.name, 'it is a symbolic link to nothing')
    // Its target is only ever followed in the guest, so it may point anywhere.
    symlinkSync(entry.linkName, target)
  }

  #addHardLink(target: string, entry: TarEntry): void {
    const parts = this.#parts(entry.linkName, entry.name)
    this.#makeParents(parts.slice(0, -1), entry.name, false)
    const existing = [this.#root.path, ...parts].join('/')
    const stat = lstatSync(existing, { throwIfNoEntry: false })
    if (stat === undefined || stat.isDirectory() || stat.isCharacterDevice())
      this.#refuse(entry.name, 'it is a hard link to a file that the layer does not hold')
    linkSync(existing, target)
  }

  /** Removes what an earlier entry put there: the last one counts. */
  #clear(parent: Place, name: string): void {
    const path = `${parent.path}/${name}`
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return
    rmSync(path, { recursive: true, force: true })
    parent.known.below.delete(name)
  }

  /** Owner first: changing it clears the set-uid bits and the file capabilities. */
  #setAttributes(target: string, entry: TarEntry): void {
    lchownSync(target, entry.uid, entry.gid)
    if (entry.type !== 'symlink') chmodSync(target, entry.mode)
    for (const [name, value] of entry.xattrs) if (isKeptXattr(name)) setXattr(target, name, value)
  }
}

/** In a layer it is nothing else: devices are left out. */
const isWhiteout = (stat: Stats): boolean => stat.isCharacterDevice()

/** In the place of a whiteout, which hid what the layers below have in it too. */
function makeDirectory(path: string, before: Stats | undefined): void {
  mkdirSync(path, { mode: 0o755 })
  if (before !== undefined && isWhiteout(before)) setOpaque(path)
}

const setOpaque = (directory: string): void => setXattr(directory, 'trusted.overlay.opaque', Buffer.from('y'))

function isKeptXattr(name: string): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'))
}
