/**
 * Files, directories and symbolic links that the host writes into the guest, for hosts without a shared file system. All of them are below one
 * directory, inside which the kernel resolves the path (openat2). So no symbolic link that a container left there can lead the agent elsewhere.
 */
import {
  close,
  fchmod,
  fileSize,
  lchownat,
  mkdirat,
  open,
  openIn,
  pwrite,
  renameat,
  symlinkat,
  unlinkat,
  utf8Decode,
  utf8Encode,
} from 'syscalls'
import type { CopyFileRequest } from '../../../../src/protocol/generated/agent.ts'
import { invalid } from '../errors.ts'
import { errnoName, makeDirectories, openFlags, removeDirectory } from '../system/files.ts'
import { containersDirectory as root } from '../system/paths.ts'

/** File types of st_mode. */
export const types = { mask: 0o170000, directory: 0o040000, regular: 0o100000, link: 0o120000 } as const

/**
 * Writes one file, directory, link or piece of a file. @throws TtrpcError INVALID_ARGUMENT for a path outside the share, or a piece that does
 * not fit the file.
 */
export function copyFile(request: CopyFileRequest): void {
  const names = componentsBelowRoot(request.path)
  const name = names.pop()
  if (name === undefined) throw invalid(`${request.path} names no file`)
  const parent = openParent(names, request)
  try {
    const type = request.fileMode & types.mask
    if (type === types.directory) copyDirectory(parent, name, request)
    else if (type === types.link) copyLink(parent, name, request)
    else copyPiece(parent, name, request)
  } finally {
    close(parent)
  }
}

/** Removes a file, a link or an empty directory; a directory with content stays. @throws TtrpcError as {@link copyFile}. */
export function removeCopied(path: string): void {
  try {
    inParent(path, removeIfThere)
  } catch (error) {
    if (errnoName(error) !== 'ENOTEMPTY') throw error
  }
}

/** Runs `action` with the open directory of `path`, which must exist. @throws TtrpcError INVALID_ARGUMENT for a path outside the share. */
export function inParent(path: string, action: (parent: number, name: string) => void): void {
  const names = componentsBelowRoot(path)
  const name = names.pop()
  if (name === undefined) throw invalid(`${path} names no file`)
  const top = open(root, openFlags.directory, 0)
  try {
    const parent = openIn(top, names.join('/') || '.', openFlags.directory, 0)
    try {
      action(parent, name)
    } finally {
      close(parent)
    }
  } finally {
    close(top)
  }
}

function componentsBelowRoot(path: string): string[] {
  if (!path.startsWith(`${root}/`)) throw invalid(`${path} is not below ${root}`)
  const names = path
    .slice(root.length + 1)
    .split('/')
    .filter((name) => name !== '')
  if (names.some((name) => name === '.' || name === '..')) throw invalid(`${path} is not a plain path`)
  return names
}

/** Opens the directory for the file. Missing directories are made with the requested mode and owner. */
function openParent(names: readonly string[], { dirMode, uid, gid }: CopyFileRequest): number {
  makeDirectories(root)
  const top = open(root, openFlags.directory, 0)
  try {
    for (let depth = 1; depth <= names.length; depth++) {
      const parent = openIn(top, names.slice(0, depth - 1).join('/') || '.', openFlags.directory, 0)
      try {
        makeDirectory(parent, names[depth - 1]!, { mode: dirMode || 0o755, uid, gid })
      } finally {
        close(parent)
      }
    }
    return openIn(top, names.join('/') || '.', openFlags.directory, 0)
  } finally {
    close(top)
  }
}

export interface DirectoryFacts {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Makes a directory. An existing one keeps its mode and owner. Owner or group -1 means the agent's own. */
export function makeDirectory(parent: number, name: string, facts: DirectoryFacts): void {
  try {
    mkdirat(parent, name, 0o700)
  } catch (error) {
    if (errnoName(error) === 'EEXIST') return
    throw error
  }
  setDirectory(parent, name, facts)
}

/** Sets mode and owner. mkdir(2) cannot, because it applies the umask and drops the set-group-id bit. */
function setDirectory(parent: number, name: string, { mode, uid, gid }: DirectoryFacts): void {
  const fd = openIn(parent, name, openFlags.directory | openFlags.noFollow, 0)
  try {
    lchownat(parent, name, uid, gid)
    fchmod(fd, mode & 0o7777)
  } finally {
    close(fd)
  }
}

function copyDirectory(parent: number, name: string, { fileMode, uid, gid }: CopyFileRequest): void {
  const facts = { mode: fileMode, uid, gid }
  makeDirectory(parent, name, facts)
  setDirectory(parent, name, facts)
}

/** Replaces the entry in one step, so that kubelet's `..data` always leads to one of the two versions. */
function copyLink(parent: number, name: string, { data, uid, gid }: CopyFileRequest): void {
  const partial = partialName(name)
  removeIfThere(parent, partial)
  symlinkat(parent, partial, utf8Decode(data))
  lchownat(parent, partial, uid, gid)
  takeName(parent, partial, name)
}

/** Writes a piece to a hidden file, which gets the file's name when it is complete. So readers never see a part. */
function copyPiece(parent: number, name: string, request: CopyFileRequest): void {
  const { offset, data, fileSize: size, fileMode, uid, gid } = request
  if (offset < 0n || size < 0n || offset + BigInt(data.length) > size)
    throw invalid(`piece at ${offset} is outside the file`)
  const partial = partialName(name)
  if (offset === 0n) removeIfThere(parent, partial)
  const fresh = offset === 0n ? openFlags.create | openFlags.exclusive : 0
  // Without O_NONBLOCK, opening a pipe that a container put there would hang forever.
  const flags = openFlags.writeOnly | openFlags.noFollow | openFlags.nonBlock | fresh
  const fd = openIn(parent, partial, flags, 0o600)
  try {
    pwrite(fd, data, Number(offset))
    if (BigInt(fileSize(fd)) !== size) return
    lchownat(parent, partial, uid, gid)
    // The mode is set after the owner, because a change of owner clears the set-id bits.
    fchmod(fd, fileMode & 0o7777)
  } finally {
    close(fd)
  }
  takeName(parent, partial, name)
}

/** NAME_MAX, bytes. A ConfigMap's key may have 253. */
const longestName = 255

/** Characters of a long name that stay in the name of its incomplete file. Each has four bytes at most. */
const shortened = 60

/** The name of the incomplete file. Two long names that begin alike share it; the host sends their pieces one file after the other. */
function partialName(name: string): string {
  const whole = `.${name}.part`
  return utf8Encode(whole).length <= longestName ? whole : `.${name.slice(0, shortened)}.part`
}

/** Renames. rename(2) does not replace a directory, so that is removed first. */
function takeName(parent: number, partial: string, name: string): void {
  try {
    renameat(parent, partial, name)
  } catch (error) {
    if (errnoName(error) !== 'EISDIR') throw error
    removeIfThere(parent, name)
    renameat(parent, partial, name)
  }
}

function removeIfThere(parent: number, name: string): void {
  for (const flags of [0, removeDirectory])
    try {
      unlinkat(parent, name, flags)
      return
    } catch (error) {
      if (errnoName(error) === 'ENOENT') return
      if (errnoName(error) !== 'EISDIR') throw error
    }
}
