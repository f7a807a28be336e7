/** Reads /etc/passwd and /etc/group of a container image before it is mounted anywhere. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { getXattr } from '../linux/inode.ts'

/** Text of the files; undefined where the image has none. */
export interface AccountFiles {
  readonly passwd: string | undefined
  readonly group: string | undefined
}

const maxBytes = 1 << 20
const maxLinks = 40

/** `lowerDirs` as an overlay would show them, topmost first. */
export function readAccountFiles(lowerDirs: readonly string[]): AccountFiles {
  return { passwd: readInImage(lowerDirs, '/etc/passwd'), group: readInImage(lowerDirs, '/etc/group') }
}

/**
 * Reads a file (its first MiB) of the merged layers. Symlinks are followed inside the image only: an absolute target
 * means the root of the image, and nothing leads above it. Undefined if there is no such regular file.
 */
export function readInImage(lowerDirs: readonly string[], path: string): string | undefined {
  const pending = path.split('/').reverse()
  let parts: string[] = []
  let layers = lowerDirs
  let links = 0
  while (pending.length > 0) {
    const part = pending.pop()!
    if (part === '' || part === '.') continue
    if (part === '..') {
      parts = parts.slice(0, -1)
      layers = layersOf(lowerDirs, parts)
      continue
    }
    const found = lookUp(layers, [...parts, part])
    if (found === undefined) return undefined
    if (found.kind === 'symlink') {
      if (++links > maxLinks) return undefined
      pending.push(...found.target.split('/').reverse())
      if (posix.isAbsolute(found.target)) {
        parts = []
        layers = lowerDirs
      }
    } else if (found.kind === 'directory') {
      parts = [...parts, part]
      layers = found.layers
    } else return pending.every((rest) => rest === '') ? readRegular(found.path) : undefined
  }
  return undefined
}

type Found =
  | { kind: 'directory'; layers: readonly string[] }
  | { kind: 'symlink'; target: string }
  | { kind: 'file'; path: string }

/** The layers that take part in a directory: an opaque one, or one with something else there, hides those below it. */
function layersOf(lowerDirs: readonly string[], parts: readonly string[]): readonly string[] {
  let layers = lowerDirs
  for (let depth = 1; depth <= parts.length; depth++) {
    const found = lookUp(layers, parts.slice(0, depth))
    layers = found?.kind === 'directory' ? found.layers : []
  }
  return layers
}

function lookUp(layers: readonly string[], parts: readonly string[]): Found | undefined {
  const merged: string[] = []
  for (const layer of layers) {
    const path = `${layer}/${parts.join('/')}`
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    if (!stat.isDirectory() && merged.length > 0) break
    if (stat.isSymbolicLink()) return { kind: 'symlink', target: readlinkSync(path) }
    if (stat.isFile()) return { kind: 'file', path }
    // A character device 0:0 is a whiteout; any other special file is nothing to read either.
    if (!stat.isDirectory()) return undefined
    merged.push(layer)
    if (isOpaque(path)) break
  }
  return merged.length > 0 ? { kind: 'directory', layers: merged } : undefined
}

function isOpaque(path: string): boolean {
  try {
    return getXattr(path, 'trusted.overlay.opaque').toString() === 'y'
  } catch {
    return false
  }
}

function readRegular(path: string): string | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!fstatSync(fd).isFile()) return undefined
    const bytes = Buffer.alloc(maxBytes)
    let length = 0
    for (let count = -1; count !== 0 && length < maxBytes; length += count)
      count = readSync(fd, bytes, length, maxBytes - length, length)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(fd)
  }
}
