/** Finds system tools without trusting PATH. */
import { accessSync, constants } from 'node:fs'

/** Where a merged-/usr distribution keeps its tools; both are visible in the jail as well. */
export const toolDirectories = ['/usr/bin', '/usr/sbin'] as const

/** Absolute path of an executable tool, or undefined. */
export function findTool(name: string): string | undefined {
  return toolDirectories.map((directory) => `${directory}/${name}`).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
