/** Finds system tools without trusting PATH. */
import { accessSync, constants } from 'node:fs'
import { bundleOf } from '../../own-bundle.ts'

/** The bundle that this executable belongs to (own-bundle.ts), if it does. */
const bundle = bundleOf(process.execPath)

/** Where a merged-/usr distribution keeps its tools, or the one place of a bundle's; they are visible in the jail as well. */
export const toolDirectories: readonly string[] =
  bundle === undefined ? ['/usr/bin', '/usr/sbin'] : [bundle.programs]

/** Absolute path of an executable tool, or undefined. */
export function findTool(name: string): string | undefined {
  return toolDirectories.map((directory) => `${directory}/${name}`).find(isExecutable)
}

/** The path of a tool that every system has (coreutils, dash, tar), or where it should be. */
export const systemTool = (name: string): string => findTool(name) ?? `${toolDirectories[0]}/${name}`

/** Whether this process may execute the file. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
