/** Chooses a container's root file system: a directory, an image by name or from an archive, or the embedded busybox. */
import { existsSync, readlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { openImageArchive } from '../../images/image-archive.ts'
import { type ResolvedRootfs, type RootfsSource, resolveRootfs } from '../../images/rootfs.ts'
import { findImage } from '../../images/store/image-store.ts'
import { unpackWithin } from '../../images/store/import.ts'
import { shareStore } from '../../images/store/store-lock.ts'
import { makeStore, type StorePaths, storePaths } from '../../images/store/store-paths.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import type { Settings } from '../settings.ts'
import { storedOrPulled } from './pull.ts'
import { interruptible } from './signals.ts'

export interface Rootfs extends ResolvedRootfs {
  /** The origin of the root file system, for people. */
  readonly description: string
  readonly imageId?: string | undefined
  /** Whether the layers are named by their content, and never change. */
  readonly isCached: boolean
  /** The words of the command. */
  readonly args: readonly string[]
  /** Unlocks the store for removals. To be called when the layers' use is recorded. */
  readonly release: () => void
}

type Flags = Pick<RunFlags, 'rootfs' | 'image' | 'pull' | 'tlsVerify' | 'authfile' | 'config'>

/**
 * Finds the root file system. `limitBytes` limits the size of all images and layers; 0: no limit. The first word names an image, unless another
 * root file system was given or the words follow a `--`.
 *
 * @throws KataError ROOTFS_*, PULL_* and IMAGE_*.
 */
export async function chooseRootfs(
  settings: Settings,
  flags: Flags,
  { args, onlyCommand }: RunWords,
  limitBytes: number,
): Promise<Rootfs> {
  const { rootfs, image } = flags
  if (rootfs !== undefined) {
    const path = resolve(rootfs)
    return {
      description: path,
      args,
      isCached: false,
      ...(await resolved(settings, { kind: 'directory', path })),
    }
  }
  if (image !== undefined) {
    const { path, tag } = splitTag(isStandardInput(image) ? `/dev/stdin${image.slice(1)}` : image)
    // A pipe is read to its end before the store is locked, so that other commands do not wait for its writer.
    using archive = await openImageArchive(resolve(path), settings.stateDir, { name: tag })
    const description = isStandardInput(image) ? image : nameOf(resolve(image))
    const paths = storePaths(settings.stateDir)
    makeStore(paths)
    const unpack = (signal: AbortSignal) =>
      unpackWithin(paths, archive, { name: description, limitBytes, onStep: () => {}, signal })
    const unpacked = await whileShared(paths, async () => ({ lowerDirs: await interruptible(unpack) }))
    return { description, args, isCached: true, config: archive.config, ...unpacked }
  }
  const [name, ...words] = args
  if (name !== undefined && !onlyCommand) {
    const { name: fullName } = await storedOrPulled(settings, name, flags.pull, flags)
    return {
      description: name,
      isCached: true,
      args: words[0] === '--' ? words.slice(1) : words,
      // The image may have been removed or pulled again since it was found.
      ...(await fromStore(settings, (paths) => imageSource(paths, fullName))),
    }
  }
  const { embeddedBusybox } = await import('../embedded.ts')
  const busybox = await embeddedBusybox()
  return {
    description: 'busybox',
    args,
    isCached: true,
    ...(await fromStore(settings, async () => ({ source: { kind: 'embedded', busybox } }))),
  }
}

async function resolved(settings: Settings, source: RootfsSource) {
  return { ...(await resolveRootfs(source, settings.stateDir)), release: () => {} }
}

interface Found {
  readonly source: RootfsSource
  readonly imageId?: string
}

/** Calls `find` when nothing can be removed from the store any more. */
async function fromStore(settings: Settings, find: (paths: StorePaths) => Promise<Found>) {
  const paths = storePaths(settings.stateDir)
  makeStore(paths)
  return whileShared(paths, async () => {
    const { source, ...about } = await find(paths)
    return { ...about, ...(await resolveRootfs(source, settings.stateDir)) }
  })
}

/** Runs `find` with the store locked against removals. `release` unlocks it. */
async function whileShared<T extends object>(paths: StorePaths, find: () => Promise<T>) {
  using opening = new DisposableStack()
  opening.use(await shareStore(paths))
  const found = await find()
  const shared = opening.move()
  return { ...found, release: () => shared.dispose() }
}

async function imageSource(paths: StorePaths, name: string): Promise<Found> {
  const { id, digest } = await findImage(paths, name)
  return { source: { kind: 'archive', path: paths.layout, wanted: { digest } }, imageId: id }
}

/** Whether the archive is `-` or `-:TAG`. */
const isStandardInput = (image: string): boolean => image === '-' || image.startsWith('-:')

/** Splits `FILE:TAG`. FILE may have colons, too; the longest existing file counts. */
function splitTag(text: string): { readonly path: string; readonly tag: string | undefined } {
  for (let at = text.length; at > 0; at = text.lastIndexOf(':', at - 1)) {
    const path = text.slice(0, at)
    if (existsSync(path)) return { path, tag: at === text.length ? undefined : text.slice(at + 1) }
  }
  return { path: text, tag: undefined }
}

/** The archive's path. The service knows a file that a user opened only by its descriptor. */
const nameOf = (path: string): string => (path.startsWith('/proc/self/fd/') ? readlinkSync(path) : path)
