/** Packages of Debian that are downloaded and unpacked, and never installed: nothing of them runs but what we start. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
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

/**
 * Puts the files of all packages together into `directory`, unless `sign`, a path of one of them, is there already.
 *
 * @throws KataError as {@link unpackPackages}.
 */
export async function unpackOnce(names: readonly string[], directory: string, sign: string): Promise<void> {
  if (existsSync(join(directory, sign))) return
  mkdirSync(dirname(directory), { recursive: true })
  const scratch = mkdtempSync(`${directory}.`)
  try {
    const tree = join(scratch, 'tree')
    await unpackPackages(names, { tree, scratch, tools: { env: process.env } })
    rmSync(directory, { recursive: true, force: true })
    renameSync(tree, directory)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
