/**
 * An image out of containerd's store. `ctr images export` writes it as an archive, with no rights but the group of containerd's socket
 * (without-rights.ts), into a file that it can neither open nor replace. The archive is read as any other.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isExecutable } from '../../linux/processes/which.ts'
import { lastWords } from '../../plain-text.ts'
import { architecture } from '../architecture.ts'
import { openImageArchive } from '../image-archive.ts'
import type { ImageSource } from '../names/image-source.ts'
import type { StoredImage } from './image-store.ts'
import { addImage, type ImportOptions } from './import.ts'
import { containerdSocket, groupOfSocket } from './sockets.ts'
import { shareStore } from './store-lock.ts'
import type { StorePaths } from './store-paths.ts'
import { type Run, runWithoutRights } from './without-rights.ts'

export interface ContainerdExport extends ImportOptions, Pick<Run, 'uid' | 'onBytes'> {
  readonly source: ImageSource
  /** Root's alone, empty. */
  readonly directory: string
  /** CONTAINERD_ADDRESS is taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The host's containerd brings it, beside a bundle of ours, too. */
const places = ['/usr/bin/ctr', '/usr/local/bin/ctr']

/** @throws KataError CONTAINERD_UNREADABLE, CTR_MISSING, IMAGE_STORE_*, ROOTFS_*; what `onBytes` throws; the signal's reason. */
export async function importFromContainerd(
  paths: StorePaths,
  { source, directory, uid, env, onBytes, ...options }: ContainerdExport,
): Promise<StoredImage> {
  const { reference, namespace = '', name } = source
  const unreadable = (reason: string) =>
    new KataError('CONTAINERD_UNREADABLE', { image: reference, namespace, reason })
  const ctr = places.find(isExecutable)
  if (ctr === undefined) throw new KataError('CTR_MISSING', { image: reference, places: places.join(', ') })
  const socket = containerdSocket(env)
  const gid = groupOfSocket(socket)
  // Ctr would wait for one.
  if (gid === undefined) throw unreadable(`there is no socket ${socket}`)
  const archive = `${directory}/archive`
  const output = openSync(archive, 'wx', 0o600)
  try {
    const { failed, words } = await runWithoutRights({
      argv: [
        ...[ctr, '--address', socket, '--namespace', namespace],
        ...['images', 'export', '--platform', `linux/${architecture}`, '-', name.full],
      ],
      environment: {},
      uid,
      gid,
      directory,
      output,
      signal: options.signal,
      onBytes,
      received: () => fstatSync(output).size,
      stalled: (seconds) => unreadable(`it sent nothing for ${seconds} s`),
    })
    if (failed) throw unreadable(lastWords(words))
  } finally {
    closeSync(output)
  }
  using _shared = await shareStore(paths, options.signal)
  using image = await openImageArchive(archive, paths.cacheDir)
  return await addImage(paths, image, options)
}
