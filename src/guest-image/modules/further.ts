/** The modules of the kernel that guests may ask for once they run: those of the list, and those that a build is asked for. */
import { basename } from 'node:path'
import { KataError } from '../../errors.ts'
import type { ToolContext } from '../child.ts'
import { moduleArchive } from './archive.ts'
import { collectModules, moduleFiles, moduleName } from './collect.ts'
import { listedModules } from './groups.ts'

/**
 * The archive of them, with all that they need.
 *
 * @param asked names with underscores, beyond the list.
 * @throws KataError IMAGE_MODULE_UNKNOWN, IMAGE_PACKAGE_CONTENT, those of the tools.
 */
export async function furtherModules(
  modulesDir: string,
  asked: readonly string[],
  tools: ToolContext,
): Promise<Uint8Array> {
  const files = moduleFiles(modulesDir)
  const known = new Set(files.map(moduleName))
  const unknown = asked.find((name) => !known.has(name))
  if (unknown !== undefined)
    throw new KataError('IMAGE_MODULE_UNKNOWN', { name: unknown, kernelRelease: basename(modulesDir) })
  const listed = [...new Set([...listedModules(files), ...asked])]
  return moduleArchive(await collectModules(modulesDir, listed, tools), new Set(listed))
}

/** Each once, as the kernel names it. */
export const sortedNames = (names: readonly string[]): string[] =>
  [...new Set(names.map((name) => name.replaceAll('-', '_')))].sort()
