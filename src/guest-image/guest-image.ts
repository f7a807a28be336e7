/**
 * The guest image on disk: what `kata-ts guest build` leaves in its cache, how a start finds it and how it makes sure
 * that its files are still the bytes that were built.
 *
 * Layout: `<cache>/images/<id>/{vmlinux,initrd,modules,manifest.json}`, and `<cache>/current`, a symlink to one of them that is
 * switched atomically.
 */

import { readFileSync, readlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { KataError } from '../errors.ts'
import { systemTool } from '../linux/processes/which.ts'
import { bundleOf } from '../own-bundle.ts'
import { sizeOf } from './boot-files.ts'
import { type ImageManifest, parseManifest } from './manifest.ts'

export { checkInitrd, checkKernel } from './boot-files.ts'

/** Where images are kept unless a caller says otherwise. */
export const defaultCacheDir = '/var/cache/kata-ts'

/** Where the Debian package has the image that it brings. */
export const debianImageDir = '/usr/lib/kata-ts/guest'

/** Where the image is that came with this executable, by the package or in the bundle. */
export const packagedImageDir = bundleOf(process.execPath)?.guest ?? debianImageDir

export interface GuestImage {
  readonly id: string
  readonly dir: string
  /** Absolute path of the uncompressed kernel. */
  readonly kernel: string
  /** Absolute path of the initrd. */
  readonly initrd: string
  /** Absolute path of the further kernel modules, if the image has any. */
  readonly modules?: string
  readonly manifest: ImageManifest
}

/**
 * The current image of a cache, or undefined when none was built. The symlink is resolved once, so that kernel and
 * initrd always belong together even if a build switches it meanwhile.
 *
 * @throws KataError IMAGE_MANIFEST_CORRUPT.
 */
export function cachedImage(cacheDir: string = defaultCacheDir): GuestImage | undefined {
  const target = linkTarget(join(cacheDir, 'current'))
  return target === undefined ? undefined : loadImage(resolve(cacheDir, target))
}

/**
 * {@link cachedImage}. On a host with the Debian package, the default cache is where somebody built a newer image than the package's:
 * it counts while it has the agent of that package.
 *
 * @throws KataError IMAGE_MANIFEST_CORRUPT.
 */
export function findImage(
  cacheDir: string = defaultCacheDir,
  packagedDir: string | undefined = cacheDir === defaultCacheDir ? packagedImageDir : undefined,
): GuestImage | undefined {
  const cached = cachedImage(cacheDir)
  const packaged = packagedDir === undefined ? undefined : loadImage(packagedDir)
  if (cached === undefined || packaged === undefined) return cached ?? packaged
  const isNewer = cached.manifest.builtAt > packaged.manifest.builtAt
  return isNewer && cached.manifest.agentSha256 === packaged.manifest.agentSha256 ? cached : packaged
}

/** {@link findImage}, for callers that cannot go on without. @throws KataError IMAGE_MISSING, IMAGE_MANIFEST_CORRUPT. */
export function requireImage(cacheDir: string = defaultCacheDir): GuestImage {
  const image = findImage(cacheDir)
  if (image === undefined) throw new KataError('IMAGE_MISSING', { cacheDir })
  return image
}

/** The image in directory `dir`, or undefined when there is none. @throws KataError IMAGE_MANIFEST_CORRUPT. */
export function loadImage(dir: string): GuestImage | undefined {
  const path = join(dir, 'manifest.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const manifest = parseManifest(text, path)
  return {
    id: manifest.id,
    dir,
    kernel: join(dir, manifest.kernel.file),
    initrd: join(dir, manifest.initrd.file),
    ...(manifest.modules && { modules: join(dir, manifest.modules.file) }),
    manifest,
  }
}

/**
 * Compares kernel, initrd and modules with the recorded size and SHA-256. A child hashes them (about 40 ms with SHA
 * instructions), so the caller can do other start work meanwhile.
 *
 * @throws KataError IMAGE_FILE_MISSING, IMAGE_CHECKSUM_MISMATCH, IMAGE_TOOL_FAILED.
 */
export async function verifyImage(image: GuestImage, options: { signal?: AbortSignal } = {}): Promise<void> {
  const files = [
    { what: 'kernel', path: image.kernel, recorded: image.manifest.kernel },
    { what: 'initrd', path: image.initrd, recorded: image.manifest.initrd },
    ...(image.modules && image.manifest.modules
      ? [{ what: 'modules', path: image.modules, recorded: image.manifest.modules }]
      : []),
  ]
  for (const { what, path, recorded } of files) {
    const size = sizeOf(what, path)
    if (size !== recorded.size) throw mismatch(path, `${size} bytes`, `${recorded.size} bytes`)
  }
  const sums = await sha256Of(
    files.map(({ path }) => path),
    options.signal,
  )
  for (const [index, { path, recorded }] of files.entries()) {
    const actual = sums[index] ?? 'no sum'
    if (actual !== recorded.sha256) throw mismatch(path, `SHA-256 ${actual}`, `SHA-256 ${recorded.sha256}`)
  }
}

function mismatch(path: string, actual: string, expected: string): KataError {
  return new KataError('IMAGE_CHECKSUM_MISMATCH', { path, actual, expected })
}

async function sha256Of(paths: readonly string[], signal?: AbortSignal): Promise<string[]> {
  signal?.throwIfAborted()
  const child = Bun.spawn([systemTool('sha256sum'), '--', ...paths], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
    ...(signal === undefined ? {} : { signal }),
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  signal?.throwIfAborted()
  if (code !== 0)
    throw new KataError('IMAGE_TOOL_FAILED', {
      tool: 'sha256sum',
      reason: stderr.trim() || `exit code ${code}`,
    })
  // A name with a backslash or newline makes sha256sum put a backslash before the sum.
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\\/, '').slice(0, 64))
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
