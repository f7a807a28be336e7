/**
 * Files, directories and symbolic links that the host writes into the guest, for hosts that share no file system.
 * Everything lies below one directory: the kernel resolves the path inside it (openat2), so that no symbolic link
 * that a container left there leads the agent elsewhere.
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

/** @throws TtrpcError INVALID_ARGUMENT for a path outside the share, or a piece that does not fit the file. */
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

/** Removes a file, a link or a directory; one that somebody else put something into stays. @throws TtrpcError as {@link copyFile}. */
export function removeCopied(path: string): void {
  try {
    inParent(path, removeIfThere)
  } catch (error) {
    if (errnoName(error) !== 'ENOTEMPTY') throw error
  }
}

/** Opens the directory that has the file, which must be there. @throws TtrpcError INVALID_ARGUMENT for a path outside the share. */
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

/** Opens the directory that takes the file, and makes what is missing on the way with the mode and owner given. */
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

/** One that is there stays as it is. An owner or group of -1 is that of the maker. */
export function makeDirectory(parent: number, name: string, facts: DirectoryFacts): void {
  try {
    mkdirat(parent, name, 0o700)
  } catch (error) {
    if (errnoName(error) === 'EEXIST') return
    throw error
  }
  setDirectory(parent, name, facts)
}

/** mkdir(2) would take the umask off, and the set-group-id bit. */
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

/** Takes the place of what was there in one step: kubelet's `..data` always leads to one of the two versions. */
function copyLink(parent: number, name: string, { data, uid, gid }: CopyFileRequest): void {
  const partial = partialName(name)
  removeIfThere(parent, partial)
  symlinkat(parent, partial, utf8Decode(data))
  lchownat(parent, partial, uid, gid)
  takeName(parent, partial, name)
}

/** Pieces gather in a hidden file that takes the name once it is complete, so that nobody sees half of it. */
function copyPiece(parent: number, name: string, request: CopyFileRequest): void {
  const { offset, data, fileSize: size, fileMode, uid, gid } = request
  if (offset < 0n || size < 0n || offset + BigInt(data.length) > size)
    throw invalid(`piece at ${offset} is outside the file`)
  const partial = partialName(name)
  if (offset === 0n) removeIfThere(parent, partial)
  const fresh = offset === 0n ? openFlags.create | openFlags.exclusive : 0
  // A container may have put a pipe there, which would be waited at for ever.
  const flags = openFlags.writeOnly | openFlags.noFollow | openFlags.nonBlock | fresh
  const fd = openIn(parent, partial, flags, 0o600)
  try {
    pwrite(fd, data, Number(offset))
    if (BigInt(fileSize(fd)) !== size) return
    lchownat(parent, partial, uid, gid)
    // After the owner: a change of owner clears the set-id bits.
    fchmod(fd, fileMode & 0o7777)
  } finally {
    close(fd)
  }
  takeName(parent, partial, name)
}

/** NAME_MAX, bytes. A key of a ConfigMap may have 253. */
const longestName = 255

/** Characters of a longer name that its incomplete file has, of four bytes at most. */
const shortened = 60

/** The name of the file while it is incomplete. Pieces of two files of long names that begin alike come one after the other. */
function partialName(name: string): string {
  const whole = `.${name}.part`
  return utf8Encode(whole).length <= longestName ? whole : `.${name.slice(0, shortened)}.part`
}

/** rename(2) replaces a file or link as it is; a directory has to go before. */
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
