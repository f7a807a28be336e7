/** Debian's packages of the bundle: found with the libraries that they depend on, downloaded, unpacked, never installed. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { downloadPackages, type PackageFile, resolvePackages } from '../../src/guest-image/apt.ts'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'
import type { Progress } from '../../src/guest-image/progress.ts'

/** Packages of libraries, and one with the licence of some. Others are no part of what a package runs: perl, adduser, systemd. */
const library = /^(lib|zlib)|-libs$|^gcc-\d+-base$/

/** `names` and all libraries that they depend on, from the words of `apt-cache depends --recurse`. The first alternative counts. */
export function withLibraries(names: readonly string[], said: string): string[] {
  const depends = new Map<string, string[]>()
  let current: string[] = []
  let isAlternative = false
  for (const line of said.split('\n')) {
    const relation = /^ ([ |])(?:Pre)?Depends: (.*)$/.exec(line)
    if (relation === null) {
      if (!/^\S/.test(line)) continue
      current = []
      depends.set(line.trim(), current)
      continue
    }
    if (!isAlternative) current.push(relation[2]!)
    isAlternative = relation[1] === '|'
  }
  const found = new Set(names)
  for (const name of found)
    for (const other of depends.get(name) ?? []) if (library.test(other)) found.add(other)
  return [...found].sort()
}

export interface Unpacked {
  readonly package: PackageFile
  /** Directory with the package's files. */
  readonly tree: string
}

/**
 * Each package and those of its libraries in a directory of its own below `directory`, which keeps what was downloaded.
 *
 * @throws KataError IMAGE_PACKAGE_UNKNOWN, IMAGE_PACKAGES_UNREACHABLE, IMAGE_DISK_FULL, IMAGE_TOOL_*.
 */
export async function unpackedPackages(
  names: readonly string[],
  directory: string,
  { progress, tools }: { progress: Progress; tools: ToolContext },
): Promise<readonly Unpacked[]> {
  const at = (name: string) => {
    mkdirSync(join(directory, name), { recursive: true })
    return join(directory, name)
  }
  progress.begin('bundle: package versions')
  const argv = ['apt-cache', 'depends', '--recurse', '--important', ...names] as const
  const said = await mustRunTool(argv, directory, { ...tools, timeout: 60_000 })
  const packages = await resolvePackages(withLibraries(names, said), tools)
  const [debs, trees, download] = [at('debs'), at('trees'), at('download')]
  progress.begin('bundle: download')
  const onProgress = (fraction: number) => progress.update(fraction)
  await downloadPackages(packages, debs, download, { ...tools, onProgress })
  progress.begin('bundle: unpack')
  for (const kept of [debs, trees])
    for (const name of readdirSync(kept))
      if (!packages.some(({ file }) => file === name)) rmSync(join(kept, name), { recursive: true })
  const unpacked = packages.map((one) => ({ package: one, tree: join(trees, one.file) }))
  for (const [index, { package: one, tree }] of unpacked.entries()) {
    progress.update(index / unpacked.length)
    if (readdirSync(trees).includes(one.file)) continue
    await mustRunTool(['dpkg-deb', '-x', join(debs, one.file), `${tree}.new`], tree, {
      ...tools,
      timeout: 120_000,
    })
    await mustRunTool(['mv', `${tree}.new`, tree], tree, { ...tools, timeout: 60_000 })
  }
  progress.end()
  return unpacked
}
