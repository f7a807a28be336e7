/** Makes the Debian package of what is built. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolContext } from '../../src/guest-image/child.ts'
import { cachedImage, verifyImage } from '../../src/guest-image/guest-image.ts'
import { version as packageVersion } from '../../src/version.ts'
import { commitOf } from '../commit.ts'
import { buildDir, executable, root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { type Build, contents } from './contents.ts'
import { control, libcVersion } from './control.ts'
import { type Compression, writeDeb } from './deb.ts'
import { debianVersion, isReleased, sourceDateEpoch } from './debian-version.ts'
import { debianSources } from './sources.ts'

export interface PackageOptions {
  /** Where the package goes; made if missing. */
  readonly outDir: string
  /** In the place of the version that follows from package.json and the commit. */
  readonly version?: string
  readonly compression: Compression
}

/**
 * Returns the path of the package, `kata-ts_VERSION_amd64.deb`.
 *
 * @throws SetupError when the guest image is not one to ship; KataError IMAGE_*.
 */
export async function makePackage(options: PackageOptions, tools: ToolContext): Promise<string> {
  const build = await describeBuild(tools.env, options.version)
  const deb = {
    contents: contents(build),
    control: await controlOf(build, tools),
    scripts: Object.fromEntries(
      ['postinst', 'prerm', 'postrm'].map((name) => [
        name,
        readFileSync(join(root, 'packaging/debian', name), 'utf8'),
      ]),
    ),
    epoch: build.epoch,
    compression: options.compression,
  }
  mkdirSync(options.outDir, { recursive: true })
  const file = join(options.outDir, `kata-ts_${build.version}_amd64.deb`)
  // Another one may be made meanwhile.
  const tree = mkdtempSync(join(buildDir, 'package-'))
  try {
    await writeDeb(file, tree, deb, tools)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
  return file
}

/** What the package, and everything else of a release, is made of. */
export async function describeBuild(env: ToolContext['env'], version?: string): Promise<Build> {
  const commit = commitOf()
  const released = isReleased(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), packageVersion)
  return {
    version: version ?? debianVersion(packageVersion, commit, released),
    epoch: sourceDateEpoch(env, commit),
    // As Debian's own tools are told.
    maintainer: `${env.DEBFULLNAME ?? 'kata-ts'} <${env.DEBEMAIL ?? 'kata-ts@packages.invalid'}>`,
    guest: await guestToShip(),
  }
}

async function guestToShip() {
  const remedy = 'build it: build/kata-ts guest build'
  const guest = cachedImage()
  if (guest === undefined) throw new SetupError('there is no guest image', remedy)
  const { kernelModules = [] } = guest.manifest
  if (kernelModules.length > 0)
    throw new SetupError(
      `the guest image has modules that were asked for on this host: ${kernelModules.join(', ')}`,
      remedy,
    )
  await verifyImage(guest)
  return guest
}

async function controlOf(build: Build, tools: ToolContext): Promise<(installedKib: number) => string> {
  const libc = libcVersion(readFileSync(executable))
  const builtUsing = await debianSources(build.guest, tools)
  const { version, maintainer } = build
  return (installedSize) => control({ version, maintainer, installedSize, libc, builtUsing })
}
