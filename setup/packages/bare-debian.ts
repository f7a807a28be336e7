/**
 * For tests: a Debian with its essential packages, apt, and nothing else, in a directory below build/. Packages to install in it are in
 * apt's cache there, so that tests need no network.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool } from '../../src/guest-image/child.ts'
import { buildDir } from '../paths.ts'
import { isFresh, stamped } from '../stamp.ts'
import { aptSources, type DebianRelease } from './apt-sources.ts'

const limitMs = 30 * 60_000

/**
 * Its directory, made by mmdebstrap if it is not there: a minute, and 400 MB. Newer packages than on that day come when it is removed.
 *
 * @param packages what can be installed in it, with all that they depend on.
 * @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL; SetupError without an archive of Debian 13.
 */
export async function provideBareDebian(suite: DebianRelease, packages: readonly string[]): Promise<string> {
  const directory = join(buildDir, `bare-debian-${suite}`)
  const root = join(directory, 'root')
  const stamp = join(directory, 'stamp')
  const hash = packages.join(' ')
  if (isFresh(stamp, hash, [root])) return root
  mkdirSync(directory, { recursive: true })
  await stamped(stamp, hash, async () => {
    rmSync(root, { recursive: true, force: true })
    const sources = join(directory, 'sources.list')
    writeFileSync(sources, await aptSources(suite))
    const apt = 'chroot "$1" apt-get --yes --no-install-recommends --download-only install'
    const fetch = packages.length === 0 ? 'true' : `${apt} ${hash}`
    await mustRunTool(
      [
        'mmdebstrap',
        ...['--variant=apt', '--mode=root', '--architectures=amd64', '--dpkgopt=force-unsafe-io'],
        ...['--skip=cleanup/apt', `--customize-hook=${fetch}`, suite, root, sources],
      ],
      root,
      { env: process.env, timeout: limitMs },
    )
  })
  return root
}
