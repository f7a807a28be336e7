/** Builds the guest image: a kernel and an initrd out of Debian packages that are downloaded and unpacked, not installed. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { agentVersion } from '../../guest/agent/src/system/version.ts'
import { KataError } from '../errors.ts'
import { type Logger, silentLogger } from '../log.ts'
import type { PackageFile } from './apt.ts'
import { lockOf, makeCurrent, newDirectory, publish, removeOld, requireCache, writeDurably } from './cache.ts'
import { mustRunTool, type ToolContext } from './child.ts'
import { checkKernel, defaultCacheDir, type GuestImage, loadImage, verifyImage } from './guest-image.ts'
import { buildInitrd } from './initrd.ts'
import { extractVmlinux } from './kernel.ts'
import { lockFile } from './lock.ts'
import type { ImageManifest } from './manifest.ts'
import { collectModules } from './modules/collect.ts'
import { furtherModules, sortedNames } from './modules/further.ts'
import { downloadOrUpdate, type PackageContext, resolveOrUpdate } from './packages.ts'
import {
  type ImagePrograms,
  imageId,
  imageRecipe,
  type ProgramBytes,
  programBytes,
  sha256,
} from './programs.ts'
import { type Progress, silentProgress } from './progress.ts'

export { findImage, type GuestImage, verifyImage } from './guest-image.ts'
export { isBuiltFrom } from './programs.ts'

/** virtio-fs, virtio-serial and ext4 are built in; these are loaded when first needed. */
const guestModules = [
  'vsock',
  'vmw_vsock_virtio_transport',
  'virtio_mmio',
  'virtio_blk',
  'virtio_scsi',
  'sd_mod',
  'virtio_net',
  'tcp_diag',
  'virtio_balloon',
  'virtio_mem',
  'overlay',
  'erofs',
]

export interface BuildOptions extends ImagePrograms {
  /** Made if missing; otherwise empty, or a cache already. */
  readonly cacheDir?: string
  readonly progress?: Progress
  readonly log?: Logger
  readonly signal?: AbortSignal
  /** Kernel modules for guests to ask for, beyond the list: names, as modprobe(8) takes them. */
  readonly kernelModules?: readonly string[]
  /** Environment of the Debian tools; default: ours. */
  readonly env?: ToolContext['env']
}

/**
 * Makes sure that the cache's current image is the one that the archive's present packages and our programs give, and
 * returns it. An intact one is kept, a damaged one replaced. An interrupted build leaves nothing that anybody would use, and
 * builds in several processes wait for each other.
 *
 * @throws KataError IMAGE_*: see the catalogue.
 */
export async function buildImage(options: BuildOptions): Promise<GuestImage> {
  const { cacheDir = defaultCacheDir, progress = silentProgress, log = silentLogger, signal } = options
  const tools = { signal, env: options.env ?? process.env }
  try {
    mkdirSync(cacheDir, { recursive: true })
    requireCache(cacheDir)
    using _lock = await lockFile(lockOf(cacheDir), signal)
    mkdirSync(join(cacheDir, 'debs'), { recursive: true })
    mkdirSync(join(cacheDir, 'images'), { recursive: true })
    // What lies here was left by a build that did not end: nobody else builds while we hold the lock.
    rmSync(join(cacheDir, 'tmp'), { recursive: true, force: true })
    mkdirSync(join(cacheDir, 'tmp'))
    try {
      const kernelModules = sortedNames(options.kernelModules ?? [])
      const programs = programBytes(options)
      return await buildLocked({ cacheDir, programs, kernelModules, progress, log, tools })
    } finally {
      rmSync(join(cacheDir, 'tmp'), { recursive: true, force: true })
    }
  } catch (error) {
    progress.end('failed')
    throw asImageError(error, cacheDir)
  }
}

interface Build extends PackageContext {
  readonly programs: ProgramBytes
  readonly kernelModules: readonly string[]
  readonly log: Logger
}

async function buildLocked(build: Build): Promise<GuestImage> {
  const { cacheDir, programs, kernelModules, progress, log, tools } = build
  const debs = join(cacheDir, 'debs')
  progress.begin('guest image: package versions')
  let packages = await resolveOrUpdate(build)
  const intact = await intactImage(cacheDir, imageId(packages, programs, kernelModules), tools.signal)
  if (intact !== undefined) {
    makeCurrent(cacheDir, intact.id)
    progress.end(`image ${intact.id} is up to date`)
    return intact
  }
  progress.begin('guest image: download')
  packages = await downloadOrUpdate(build, packages)
  progress.begin('guest image: unpack')
  const tree = newDirectory(cacheDir, 'tree')
  for (const [index, { file }] of packages.entries()) {
    await mustRunTool(['dpkg-deb', '-x', join(debs, file), tree], tree, { ...tools, timeout: 120_000 })
    progress.update((index + 1) / packages.length)
  }
  progress.begin('guest image: kernel and initrd')
  const image = await assemble(build, packages, tree)
  makeCurrent(cacheDir, image.id)
  removeOld(cacheDir, image.id, packages)
  const { kernel, initrd, kernelRelease } = image.manifest
  progress.end(`image ${image.id}, kernel ${kernelRelease}, initrd ${(initrd.size / 1e6).toFixed(1)} MB`)
  log.info('guest image built', { id: image.id, kernelRelease, kernel: kernel.size, initrd: initrd.size })
  return image
}

async function assemble(build: Build, packages: readonly PackageFile[], tree: string): Promise<GuestImage> {
  const { cacheDir, programs, kernelModules, tools, progress } = build
  const out = newDirectory(cacheDir, 'image')
  const kernelRelease = releaseIn(tree)
  const bzImage = join(tree, 'boot', `vmlinuz-${kernelRelease}`)
  const vmlinux = extractVmlinux(readFileSync(bzImage), bzImage)
  progress.update(0.3)
  const modulesDir = join(tree, 'usr/lib/modules', kernelRelease)
  const modules = await collectModules(modulesDir, guestModules, tools)
  progress.update(0.4)
  const further = await furtherModules(modulesDir, kernelModules, tools)
  progress.update(0.8)
  const initrd = buildInitrd({ ...programs, tree, modules, kernelRelease, recipe: imageRecipe })
  const manifest: ImageManifest = {
    id: imageId(packages, programs, kernelModules),
    recipe: imageRecipe,
    kernel: { file: 'vmlinux', sha256: sha256(vmlinux), size: vmlinux.length },
    initrd: { file: 'initrd', sha256: sha256(initrd), size: initrd.length },
    modules: { file: 'modules', sha256: sha256(further), size: further.length },
    ...(kernelModules.length > 0 && { kernelModules }),
    kernelRelease,
    agentSha256: sha256(programs.agent),
    agentVersion,
    packages: packages.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    builtAt: new Date().toISOString(),
  }
  writeDurably(join(out, 'vmlinux'), vmlinux)
  checkKernel(join(out, 'vmlinux'))
  writeDurably(join(out, 'initrd'), initrd)
  writeDurably(join(out, 'modules'), further)
  writeDurably(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return publish(cacheDir, out, manifest.id)
}

async function intactImage(
  cacheDir: string,
  id: string,
  signal: AbortSignal | undefined,
): Promise<GuestImage | undefined> {
  try {
    const image = loadImage(join(cacheDir, 'images', id))
    if (image !== undefined) await verifyImage(image, signal === undefined ? {} : { signal })
    return image
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof KataError) return undefined
    throw error
  }
}

function releaseIn(tree: string): string {
  const boot = join(tree, 'boot')
  const names = existsSync(boot) ? readdirSync(boot) : []
  const name = names.find((name) => name.startsWith('vmlinuz-'))
  if (name === undefined)
    throw new KataError('IMAGE_PACKAGE_CONTENT', { name: 'vmlinuz', reason: 'no file boot/vmlinuz-*' })
  return name.slice('vmlinuz-'.length)
}

function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

/** Errors of the file system under the cache, by their errno. */
function asImageError(error: unknown, path: string): unknown {
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new KataError('IMAGE_DISK_FULL', { path }, { cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
      return new KataError('IMAGE_CACHE_UNWRITABLE', { path, reason: errnoOf(error) }, { cause: error })
    default:
      return error
  }
}
