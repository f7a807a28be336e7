/** From what a person names to the layers of a root file system. None of them is ever written to. */
import { chmodSync, chownSync, mkdirSync, type Stats, statSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { lookAtOperatorPath } from '../linux/files/operator-path.ts'
import { SyscallError } from '../linux/libc.ts'
import { embeddedRootfs } from './embedded-rootfs.ts'
import { emptyImageConfig, type ImageConfig } from './formats/image-config.ts'
import { openImageArchive, type Wanted } from './image-archive.ts'
import { unpackImage } from './layer-cache.ts'

export type RootfsSource =
  | { readonly kind: 'directory'; readonly path: string }
  /** An OCI or docker archive, in a file or from a pipe, or a directory with an OCI image layout. */
  | { readonly kind: 'archive'; readonly path: string; readonly wanted?: Wanted }
  /** The bytes of a static busybox. */
  | { readonly kind: 'embedded'; readonly busybox: Uint8Array }

export interface ResolvedRootfs {
  /** Topmost first. */
  readonly lowerDirs: readonly string[]
  readonly config: ImageConfig
}

/** A mount in containerd's form. */
export interface RootMount {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/**
 * `cacheDir` (for instance /var/lib/kata-ts) keeps unpacked layers.
 *
 * @throws KataError ROOTFS_MISSING and the other ROOTFS_ codes.
 */
export async function resolveRootfs(source: RootfsSource, cacheDir: string): Promise<ResolvedRootfs> {
  switch (source.kind) {
    case 'directory':
      return { lowerDirs: [checkedDirectory(source.path)], config: emptyImageConfig }
    case 'archive': {
      using image = await openImageArchive(source.path, cacheDir, source.wanted)
      return { lowerDirs: await unpackImage(image, cacheDir), config: image.config }
    }
    case 'embedded':
      return { lowerDirs: [await embeddedRootfs(source.busybox, cacheDir)], config: emptyImageConfig }
  }
}

/**
 * Makes the directories that {@link writableOverlay} writes to. `directory` belongs to the container, exists, and is removed by its
 * owner.
 */
export function makeUpper(lowerDirs: readonly string[], directory: string): void {
  const upper = `${directory}/upper`
  mkdirSync(upper, { mode: 0o755 })
  mkdirSync(`${directory}/work`, { mode: 0o700 })
  // The root directory of an overlay is that of its upper layer.
  const { mode, uid, gid } = statSync(lowerDirs[0]!)
  chownSync(upper, uid, gid)
  chmodSync(upper, mode & 0o7777)
}

/**
 * What the kernel may have on by default, and what would leave a changed mode without its file's content in the upper layer, and a directory
 * that was renamed without what is in it. `commit`, `export`, `cp` and `diff` read that layer.
 */
const inFull = ['metacopy=off', 'redirect_dir=off']

/** An overlay whose writes go to `<directory>/upper`. */
export function writableOverlay(lowerDirs: readonly string[], directory: string): RootMount {
  return {
    type: 'overlay',
    source: 'overlay',
    options: [
      `lowerdir=${lowerDirs.map(escapeLayer).join(':')}`,
      `upperdir=${escapeOption(`${directory}/upper`)}`,
      `workdir=${escapeOption(`${directory}/work`)}`,
      ...inFull,
    ],
  }
}

/** In a list of layers colons separate, commas end the option, and a backslash protects both. */
function escapeLayer(path: string): string {
  return path.replace(/[\\,:]/g, '\\$&')
}

function escapeOption(path: string): string {
  return path.replace(/[\\,]/g, '\\$&')
}

function checkedDirectory(path: string): string {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new KataError('ROOTFS_MISSING', { path, reason }, { cause })
  }
  let found: { path: string; stat: Stats }
  try {
    found = lookAtOperatorPath(path)
  } catch (cause) {
    if (cause instanceof SyscallError) refuse(cause.errno, cause)
    throw cause
  }
  if (!found.stat.isDirectory()) refuse('it is not a directory')
  if (found.path === '/') refuse('the root of the host is not handed out')
  return found.path
}
