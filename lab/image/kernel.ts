/** Which kernel the lab host boots: its own or, to see how kata-ts does on an older one, the stock kernel of an older Debian. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptSources } from '../../setup/packages/apt-sources.ts'
import { SetupError } from '../../setup/setup-error.ts'
import { mustRunTool } from '../../src/guest-image/child.ts'
import { paths } from '../paths.ts'

/** What `KATA_TS_LAB_KERNEL` may be. */
const olderReleases = ['bookworm'] as const
type OlderRelease = (typeof olderReleases)[number]

export interface BootFiles {
  readonly kernel: string
  readonly initrd: string
}

const variable = 'KATA_TS_LAB_KERNEL'
const limitMs = 30 * 60_000
const script = join(import.meta.dir, 'older-kernel.sh')

/** The release whose kernel is asked for; undefined for the lab host's own. @throws SetupError for one that is not known. */
export function askedRelease(env: Readonly<Record<string, string | undefined>>): OlderRelease | undefined {
  const { [variable]: name = '' } = env
  if (name === '') return undefined
  const release = olderReleases.find((known) => known === name)
  if (release === undefined)
    throw new SetupError(
      `${variable} names no known release: ${name}`,
      `known are: ${olderReleases.join(', ')}`,
    )
  return release
}

/** Whether the lab host that runs was booted with the kernel of this release. */
export const isBootedWith = (release: OlderRelease | undefined): boolean =>
  (existsSync(paths.release) ? readFileSync(paths.release, 'utf8') : '') === (release ?? '')

/**
 * What boots the lab host. The disk gets the modules of an older kernel the first time, for which packages are fetched: a minute.
 *
 * @throws KataError IMAGE_TOOL_*; SetupError without an archive of Debian 13.
 */
export async function bootFiles(release: OlderRelease | undefined): Promise<BootFiles> {
  rmSync(paths.release, { force: true })
  if (release === undefined) return paths
  const directory = join(paths.kernels, release)
  const files = { kernel: join(directory, 'vmlinuz'), initrd: join(directory, 'initrd') }
  const installed = join(directory, 'installed')
  if (!existsSync(installed)) {
    mkdirSync(directory, { recursive: true })
    const sources = join(directory, 'sources.list')
    writeFileSync(sources, await aptSources(release))
    const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', script] as const
    await mustRunTool([...argv, paths.copy, directory, sources], directory, {
      env: process.env,
      timeout: limitMs,
    })
    writeFileSync(installed, '')
  }
  writeFileSync(paths.release, release)
  return files
}

/** For a new copy of the disk, which has no older kernel. */
export const forgetOlderKernels = (): void => rmSync(paths.kernels, { recursive: true, force: true })
