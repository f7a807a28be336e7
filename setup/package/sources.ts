/** The source packages of Debian from which parts of the product are made: in the guest image, and linked into our programs. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'
import { defaultCacheDir, type GuestImage } from '../../src/guest-image/guest-image.ts'
import { busyboxPath } from '../paths.ts'
import { SetupError } from '../setup-error.ts'

export interface SourcePackage {
  readonly name: string
  readonly version: string
  /** Binary packages that were used of it, sorted. */
  readonly binaries: readonly string[]
}

/** Binary packages on the build host of which code is linked into the guest agent. */
const linked = ['libquickjs', 'libc6-dev']

/**
 * Source packages of the image's files and of what is linked, sorted by name.
 *
 * @throws SetupError when the package files of the image are gone from the cache.
 */
export async function debianSources(
  { manifest }: Pick<GuestImage, 'manifest'>,
  tools: ToolContext,
): Promise<readonly SourcePackage[]> {
  const debs = join(defaultCacheDir, 'debs')
  const lines: string[] = []
  const files = readdirSync(debs)
  for (const { name, version } of manifest.packages) {
    const file = files.find((file) => file.startsWith(`${name}_${version.replaceAll(':', '%3a')}_`))
    if (file === undefined)
      throw new SetupError(
        `the file of the Debian package ${name} ${version}, which is in the guest image, is not in ${debs}`,
        'build the image anew: build/kata-ts guest build',
      )
    lines.push(...(await sourcesOfFiles([join(debs, file)], tools)))
  }
  lines.push(...(await printed(['dpkg-query', '-W', '-f', sourceFormat, ...linked], tools)))
  const [banner = ''] = await printed([busyboxPath], tools)
  lines.push(`busybox-static busybox ${busyboxSource(banner)}`)
  return bySource(lines)
}

/** A line of binary package, source package and version for each package file. */
export async function sourcesOfFiles(
  debs: readonly string[],
  tools: ToolContext,
): Promise<readonly string[]> {
  const lines: string[] = []
  for (const deb of debs)
    lines.push(...(await printed(['dpkg-deb', '-W', '--showformat', sourceFormat, deb], tools)))
  return lines
}

const sourceFormat = ['binary:Package', 'source:Package', 'source:Version']
  .map((field) => `\${${field}}`)
  .join(' ')
  .concat('\\n')

async function printed(argv: readonly [string, ...string[]], tools: ToolContext): Promise<string[]> {
  const stdout = await mustRunTool(argv, '/', { ...tools, timeout: 60_000 })
  return stdout.split('\n').filter((line) => line !== '')
}

/** The version of the source package, as Debian's busybox says of itself: `BusyBox v1.37.0 (Debian 1:1.37.0-6+b8) ...`. */
export function busyboxSource(banner: string): string {
  const version = /\(Debian (\S+)\)/.exec(banner)?.[1]
  if (version === undefined) throw new Error(`a busybox that is not Debian's: ${banner}`)
  // A rebuild has the source of what it rebuilds: deb-version(7).
  return version.replace(/\+b\d+$/, '')
}

/** From lines of binary package, source package and version. */
export function bySource(lines: readonly string[]): readonly SourcePackage[] {
  const found = new Map<string, SourcePackage>()
  for (const line of lines) {
    const [binary = '', name = '', version = ''] = line.split(' ')
    const key = `${name} ${version}`
    const binaries = [...(found.get(key)?.binaries ?? []), binary.replace(/:.*/, '')]
    found.set(key, { name, version, binaries: [...new Set(binaries)].sort() })
  }
  return [...found.keys()].sort().map((key) => found.get(key)!)
}
