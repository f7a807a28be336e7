import { existsSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { buildImage } from '../../guest-image/build.ts'
import {
  defaultCacheDir,
  findImage,
  type GuestImage,
  loadImage,
  packagedImageDir,
  requireImage,
} from '../../guest-image/guest-image.ts'
import { createProgress } from '../../guest-image/progress.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { guestUse } from '../client/guest-use.ts'
import { interruptible } from '../client/signals.ts'
import type { GuestFlags } from '../commands/guest.ts'
import { embeddedAgent, embeddedSystemdStub } from '../embedded.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { pairs, table } from '../output/table.ts'
import type { Settings } from '../settings.ts'
import { forEachName } from './containers.ts'

/** Progress goes to standard error; the image's facts are the command's output. */
export async function build(settings: Settings, flags: GuestFlags): Promise<number> {
  const options = {
    cacheDir: cacheDirOf(flags),
    kernelModules: flags.kernelModule ?? [],
    agent: await embeddedAgent(),
    systemdStub: await embeddedSystemdStub(),
    progress: createProgress(process.stderr),
    log: settings.log,
    env: settings.env,
  }
  const image = await interruptible((signal) => buildImage({ ...options, signal }))
  settings.print(render(settings.format, image, asText))
  return 0
}

export async function list(settings: Settings, flags: GuestFlags): Promise<number> {
  const cacheDir = cacheDirOf(flags)
  const current = findImage(cacheDir)?.id
  const packaged = packagedImage(cacheDir)
  const images = [...imageIds(cacheDir).map((id) => loadImage(`${cacheDir}/images/${id}`)), packaged]
    .filter((image) => image !== undefined)
    .map(({ id, manifest }) => ({
      id,
      current: id === current,
      kernelRelease: manifest.kernelRelease,
      bytes: manifest.kernel.size + manifest.initrd.size + (manifest.modules?.size ?? 0),
      builtAt: manifest.builtAt,
    }))
  const header = ['', 'ID', 'KERNEL', 'SIZE', 'BUILT']
  settings.print(
    render(settings.format, images, (all) =>
      table(
        header,
        all.map((image) => [
          image.current ? '*' : '',
          image.id,
          image.kernelRelease,
          byteSize(image.bytes),
          image.builtAt,
        ]),
      ),
    ),
  )
  return 0
}

export async function inspect(
  settings: Settings,
  flags: GuestFlags,
  [id]: readonly string[],
): Promise<number> {
  const cacheDir = cacheDirOf(flags)
  const image = id === undefined ? requireImage(cacheDir) : imageNamed(cacheDir, id)
  settings.print(render(settings.format, image, asText))
  return 0
}

/** One of the list. @throws KataError IMAGE_UNKNOWN, IMAGE_MANIFEST_CORRUPT. */
function imageNamed(cacheDir: string, id: string): GuestImage {
  const built = imageIds(cacheDir).includes(id) ? loadImage(`${cacheDir}/images/${id}`) : undefined
  const image = built ?? packagedImage(cacheDir)
  if (image?.id !== id) throw new KataError('IMAGE_UNKNOWN', { id, cacheDir })
  return image
}

/** The one that came with this executable is listed beside those of the usual place. */
const packagedImage = (cacheDir: string): GuestImage | undefined =>
  cacheDir === defaultCacheDir ? loadImage(packagedImageDir) : undefined

export async function rm(settings: Settings, flags: GuestFlags, ids: readonly string[]): Promise<number> {
  const cacheDir = cacheDirOf(flags)
  return forEachName(settings, ids, async (id) => {
    const directory = directoryOf(cacheDir, id)
    const use =
      flags.force === true ? undefined : guestUse({ cacheDir, directory }, settings.runDir, settings.log)
    if (use !== undefined) throw new KataError('IMAGE_IN_USE', { id, use })
    rmSync(directory, { recursive: true, force: true })
    const current = `${cacheDir}/current`
    // The link to the image that is gone now.
    if (!existsSync(current)) rmSync(current, { force: true })
  })
}

function cacheDirOf({ cacheDir = defaultCacheDir }: GuestFlags): string {
  return cacheDir
}

function imageIds(cacheDir: string): string[] {
  return namesIn(`${cacheDir}/images`)
}

/** Only what is listed can be named, so that no id leads elsewhere. @throws KataError IMAGE_UNKNOWN. */
function directoryOf(cacheDir: string, id: string): string {
  if (!imageIds(cacheDir).includes(id)) throw new KataError('IMAGE_UNKNOWN', { id, cacheDir })
  return `${cacheDir}/images/${id}`
}

function asText({ id, kernel, initrd, modules, manifest }: GuestImage): string {
  const packages = manifest.packages.map(({ name, version }): [string, string] => [name, version])
  const facts: [string, string][] = [
    ['id', id],
    ['kernel', `${kernel} (${manifest.kernelRelease}, sha256 ${manifest.kernel.sha256})`],
    ['initrd', `${initrd} (sha256 ${manifest.initrd.sha256})`],
    ...(modules && manifest.modules
      ? [['modules', `${modules} (sha256 ${manifest.modules.sha256})`] as [string, string]]
      : []),
    ['built', manifest.builtAt],
  ]
  return `${pairs(facts)}\n${table(['PACKAGE', 'VERSION'], packages)}`
}
