/** A directory of a layer, opened to look below it. */
import { openDirectoryAt } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'

/** Undefined when nothing has the name; `other` when something else has it, which hides the directories of the layers below. */
export function openLayerDirectory(parent: number, name: Buffer): number | 'other' | undefined {
  try {
    return openDirectoryAt(parent, name)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    if (error.errno === 'ENOENT') return undefined
    if (error.errno === 'ENOTDIR' || error.errno === 'ELOOP') return 'other'
    throw error
  }
}
