/** The system's tools that make a jail, and those of them that are still needed within its root. */
import { KataError } from '../../errors.ts'
import { findTool, toolDirectories } from '../../linux/processes/which.ts'

/** They run after the change of root and before the program, in this order. Then Landlock forbids executing them. */
export const toolsInside = ['unshare', 'setpriv', 'bash', 'env'] as const

/**
 * The shell of scripts that start a confined process. The host's `sh` may be another one: bash means pipes by `ulimit -p`, and leaves variables in the
 * environment of what it starts.
 */
export const jailShell = 'dash'

/** Absolute path of a tool. @throws KataError JAIL_TOOL_MISSING. */
export function jailTool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('JAIL_TOOL_MISSING', { tool: name, directories: toolDirectories.join(', ') })
  return path
}
