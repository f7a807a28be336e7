/** Which root file system a container gets: a directory, an image by name or of an archive, or the embedded busybox. */
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
  /** For people. */
  readonly description: string
  readonly imageId?: string | undefined
  /** Its layers are named by what is in them, and never change. */
  readonly isCached: boolean
  /** The words that are the command. */
  readonly args: readonly string[]
  /** Lets others remove layers again, once it is noted which are in use. */
  readonly release: () => void
}

type Flags = Pick<RunFlags, 'rootfs' | 'image' | 'pull' | 'tlsVerify' | 'authfile' | 'config'>

/**
 * `limitBytes`: what all images and layers may take; 0: as many as there are. The first word is an image, unless another root file system was named or the words follow
 * a `--`.
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
    // A pipe is read to its end, at its writer's pace, before the store is shared: nobody waits for him.
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
      // It may have been removed, or pulled anew, since it was found.
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

/** `find` is asked once nothing can be removed any more. */
async function fromStore(settings: Settings, find: (paths: StorePaths) => Promise<Found>) {
  const paths = storePaths(settings.stateDir)
  makeStore(paths)
  return whileShared(paths, async () => {
    const { source, ...about } = await find(paths)
    return { ...about, ...(await resolveRootfs(source, settings.stateDir)) }
  })
}

/** Layers that were found, and a disk that is made of them, stay until they are released. */
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

/** `-` or `-:TAG`. */
const isStandardInput = (image: string): boolean => image === '-' || image.startsWith('-:')

/** `FILE:TAG`, where FILE may hold colons too: the longest one that exists. */
function splitTag(text: string): { readonly path: string; readonly tag: string | undefined } {
  for (let at = text.length; at > 0; at = text.lastIndexOf(':', at - 1)) {
    const path = text.slice(0, at)
    if (existsSync(path)) return { path, tag: at === text.length ? undefined : text.slice(at + 1) }
  }
  return { path: text, tag: undefined }
}

/** A file that a user opened for the service is known by its descriptor. */
const nameOf = (path: string): string => (path.startsWith('/proc/self/fd/') ? readlinkSync(path) : path)
