/**
 * Files that the host copies into the guest (CopyFile). No call of the protocol removes a file, so the guest removes what kubelet's atomic
 * writer would: when the link `..data` changes, the old version, and links to keys that the new version lacks.
 */
import { close, openIn, unlinkat } from 'syscalls'
import type { CopyFileRequest } from '../../../../src/protocol/generated/agent.ts'
import { errnoName, exists, linkTarget, list, openFlags, removeDirectory } from '../system/files.ts'
import { copyFile, inParent, types } from './copy-file.ts'

const dataLink = '..data'

/** Writes the file, and removes the version that it replaces. @throws TtrpcError as {@link copyFile}. */
export function receiveFile(request: CopyFileRequest): void {
  const { path, fileMode } = request
  const isVersion = path.endsWith(`/${dataLink}`) && (fileMode & types.mask) === types.link
  const before = isVersion ? linkTarget(path) : undefined
  copyFile(request)
  if (before === undefined) return
  inParent(path, (parent) => {
    if (before !== linkTarget(pathIn(parent, dataLink))) removeVersion(parent, before)
    removeLinksToNothing(parent)
  })
}

/** Removes a version, whose name begins with two dots. */
function removeVersion(parent: number, name: string): void {
  if (/^\.\.[^/]+$/.test(name) && exists(pathIn(parent, name))) removeTreeIn(parent, name)
}

function removeLinksToNothing(parent: number): void {
  for (const name of list(pathIn(parent, '.'))) {
    const target = linkTarget(pathIn(parent, name))
    if (target?.startsWith(`${dataLink}/`) && !exists(pathIn(parent, target))) unlinkat(parent, name, 0)
  }
}

/** Removes a tree from descriptor to descriptor, so no link of a container leads elsewhere. */
function removeTreeIn(parent: number, name: string): void {
  try {
    unlinkat(parent, name, 0)
  } catch (error) {
    if (errnoName(error) !== 'EISDIR') throw error
    const directory = openIn(parent, name, openFlags.directory | openFlags.noFollow, 0)
    try {
      for (const inside of list(pathIn(directory, '.'))) removeTreeIn(directory, inside)
    } finally {
      close(directory)
    }
    unlinkat(parent, name, removeDirectory)
  }
}

const pathIn = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`
