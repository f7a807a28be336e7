/** Packages of Debian that are downloaded and unpacked, and never installed: nothing of them runs but what we start. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { downloadPackages, resolvePackages } from '../../src/guest-image/apt.ts'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'

/**
 * Puts the files of all packages together into `tree`. `scratch` is a directory for what is downloaded.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function unpackPackages(
  names: readonly string[],
  { tree, scratch, tools }: { readonly tree: string; readonly scratch: string; readonly tools: ToolContext },
): Promise<void> {
  const [debs, download] = ['debs', 'download'].map((name) => join(scratch, name)) as [string, string]
  for (const directory of [debs, download]) mkdirSync(directory)
  const packages = await resolvePackages(names, tools)
  await downloadPackages(packages, debs, download, { ...tools, onProgress() {} })
  for (const { file } of packages)
    await mustRunTool(['dpkg-deb', '-x', join(debs, file), tree], tree, { ...tools, timeout: 120_000 })
}
