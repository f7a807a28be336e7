/** The files of a container as a tar: as it sees them, or what it has changed as the layer of an image. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { xattrsOf } from '../linux/files/inode.ts'
import { breather } from '../time.ts'
import {
  type FoundEntry,
  isOpaqueFound,
  isWhiteout,
  linkOf,
  openFound,
  type WalkOptions,
  walkFiles,
} from './file-tree.ts'
import { tarEnd, tarHeader, tarPadding, type WrittenEntry } from './formats/tar-writer.ts'

const pieceBytes = 1 << 20
/** Pieces between two breaths. */
const breathEvery = 16
const empty = Buffer.alloc(0)
const whiteoutPrefix = '.wh.'

/** A file whose name says in a layer that another one is deleted. */
export class WhiteoutName extends Error {
  constructor(path: Buffer) {
    super(`a name that begins with .wh. stands for a deletion there, as ${JSON.stringify(`/${path}`)}`)
    this.name = 'WhiteoutName'
  }
}

/**
 * All that the container sees; `layers` topmost first. Devices and sockets are left out.
 *
 * @throws as {@link walkFiles}; WhiteoutName when it is to be a layer.
 */
export async function* filesTar(
  layers: readonly string[],
  { asLayer = false, ...options }: Omit<WalkOptions, 'below'> & { readonly asLayer?: boolean },
): AsyncGenerator<Uint8Array> {
  const names: Names = new Map()
  for await (const found of walkFiles(layers, { ...options, below: true })) {
    if (asLayer) refuseWhiteoutName(found)
    yield* packed(found, names, options.signal)
  }
  yield tarEnd()
}

function refuseWhiteoutName({ name, path }: FoundEntry): void {
  if (name.toString('latin1').startsWith(whiteoutPrefix)) throw new WhiteoutName(path)
}

/**
 * What the topmost of the layers changes, with whiteouts in the form of image layers (OCI image specification, layer.md).
 *
 * @throws as {@link walkFiles}; WhiteoutName.
 */
export async function* changesTar(
  layers: readonly string[],
  options: Omit<WalkOptions, 'below'>,
): AsyncGenerator<Uint8Array> {
  const names: Names = new Map()
  for await (const found of walkFiles(layers, { ...options, below: false })) {
    if (isWhiteout(found.stat)) {
      if (found.isBelow) yield marker(found, whiteoutPrefix, found.name)
      continue
    }
    refuseWhiteoutName(found)
    yield* packed(found, names, options.signal)
    if (found.stat.isDirectory() && found.path.length > 0 && isOpaqueFound(found))
      yield marker({ ...found, path: Buffer.concat([found.path, Buffer.from('/x')]) }, '.wh..wh..opq', empty)
  }
  yield tarEnd()
}

/** An empty file that speaks of its directory. */
function marker({ path }: Pick<FoundEntry, 'path'>, prefix: string, name: Buffer): Buffer {
  const directory = path.subarray(0, path.lastIndexOf(0x2f) + 1)
  const full = Buffer.concat([directory, Buffer.from(prefix), name])
  return tarHeader({ name: full, type: 'file', size: 0, mode: 0o600, uid: 0, gid: 0, mtime: 0 })
}

/** The first names of files that have several. */
type Names = Map<string, Buffer>

async function* packed(found: FoundEntry, names: Names, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { path, stat } = found
  const facts = {
    name: path.length === 0 ? Buffer.from('.') : path,
    size: 0,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtime: stat.mtimeMs / 1000,
  }
  if (stat.isDirectory()) yield tarHeader({ ...facts, type: 'directory' })
  else if (stat.isFIFO()) yield tarHeader({ ...facts, type: 'fifo' })
  else if (stat.isSymbolicLink()) {
    const linkName = linkOf(found)
    if (linkName !== undefined) yield tarHeader({ ...facts, type: 'symlink', linkName })
  } else if (stat.isFile()) yield* packedFile(found, facts, { names, signal })
}

async function* packedFile(
  found: FoundEntry,
  facts: Omit<WrittenEntry, 'type'>,
  { names, signal }: { readonly names: Names; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const fd = openFound(found)
  if (fd === undefined) return
  try {
    // The facts of the open file: its name may have become another file's.
    const { nlink, size, mode, uid, gid } = fstatSync(fd)
    // Whole numbers: rounded, the large ones of some file systems are the same for many files.
    const { dev, ino, birthtimeNs } = fstatSync(fd, { bigint: true })
    // The number of a file that was removed meanwhile may be that of a new one.
    const key = `${dev} ${ino} ${birthtimeNs}`
    const linkName = names.get(key)
    if (linkName !== undefined) return yield tarHeader({ ...facts, type: 'hardlink', linkName })
    if (nlink > 1) names.set(key, found.path)
    const own = { mode: mode & 0o7777, uid, gid, size, xattrs: xattrsOf(fd) }
    yield tarHeader({ ...facts, ...own, type: 'file' })
    yield* content(fd, size, signal)
    yield tarPadding(size)
  } finally {
    closeSync(fd)
  }
}

/** As many bytes as the header has said, whatever becomes of the file meanwhile. A guest may have made a hole of any size. */
async function* content(fd: number, size: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const breathe = breather(breathEvery, signal)
  for (let at = 0; at < size; ) {
    await breathe()
    const piece = Buffer.alloc(Math.min(pieceBytes, size - at))
    const count = readSync(fd, piece, 0, piece.length, at)
    yield count === 0 ? piece : piece.subarray(0, count)
    at += count === 0 ? piece.length : count
  }
}
