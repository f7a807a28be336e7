/** Programs of the host that make file systems. */
import { KataError } from '../../errors.ts'
import { findTool, toolDirectories } from './which.ts'

/** Its path. @throws KataError ROOTFS_DISK_TOOL. */
export function diskTool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('ROOTFS_DISK_TOOL', { tool: name, directories: toolDirectories.join(', ') })
  return path
}
