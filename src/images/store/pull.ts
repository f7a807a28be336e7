/**
 * Gets an image from a registry, or from another store of this host, into the store. A pull that dies leaves a directory that the
 * next one removes.
 */
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from 'node:fs'
import { KataError } from '../../errors.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { closing } from '../../linux/files/open-at.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { throwAwayUid } from '../../rootless/identity/throw-away-uid.ts'
import type { ImageName } from '../names/image-name.ts'
import type { ImageSource } from '../names/image-source.ts'
import { isAbandoned, unfinishedName } from '../unfinished.ts'
import { importFromContainerd } from './containerd.ts'
import { copySource } from './copy-source.ts'
import { copyCredentials, findAuthFile } from './credentials.ts'
import { type StoredImage, storeBytes } from './image-store.ts'
import { type ImportOptions, importLayout, storeFull } from './import.ts'
import { treeUse } from './layer-sizes.ts'
import { repositoryPlaces } from './registry-places.ts'
import { runSkopeo, sourceCopy } from './skopeo.ts'
import { makeStore, type StorePaths } from './store-paths.ts'

export interface PullOptions extends Omit<ImportOptions, 'name'> {
  /** Absent: its registry. */
  readonly source?: ImageSource | undefined
  readonly tlsVerify: boolean
  /** A file with credentials; undefined: the usual ones. */
  readonly authFile: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Told how many bytes have come. */
  readonly onBytes: (bytes: number) => void
}

/** @throws KataError PULL_*, SKOPEO_MISSING, AUTH_FILE_INVALID, as {@link importLayout} and {@link importFromContainerd}. */
export async function pullImage(
  paths: StorePaths,
  image: ImageName,
  options: PullOptions,
): Promise<StoredImage> {
  const { limitBytes } = options
  makeStore(paths)
  await removeUnfinished(paths)
  const used = storeBytes(paths)
  const checkRoom = (bytes: number) => {
    if (limitBytes > 0 && used + bytes >= limitBytes) throw storeFull({ name: image.full, used, limitBytes })
  }
  const onBytes = (bytes: number) => {
    checkRoom(bytes)
    options.onBytes(bytes)
  }
  checkRoom(0)
  const copying = { ...options, checkRoom, onBytes }
  const known = namesIn(paths.blobs)
  try {
    return await pullOnce(paths, image, copying)
  } catch (error) {
    // The import has dropped a stored blob that was damaged, and that skopeo had not asked for. The registry sends it now.
    const isDropped = known.some((name) => !existsSync(`${paths.blobs}/${name}`))
    if (!(error instanceof KataError && error.code === 'ROOTFS_DIGEST_MISMATCH' && isDropped)) throw error
    return await pullOnce(paths, image, copying)
  }
}

interface Copying extends PullOptions {
  readonly checkRoom: (bytes: number) => void
}

async function pullOnce(paths: StorePaths, image: ImageName, copying: Copying): Promise<StoredImage> {
  const { limitBytes, source, env, signal, onStep, onBytes } = copying
  onStep('pulling')
  const work = {
    directory: `${paths.layout}/${unfinishedName('pulling')}`,
    uid: throwAwayUid(),
  }
  mkdirSync(work.directory, { mode: 0o700 })
  const importing = { name: image.full, limitBytes, signal, onStep }
  try {
    if (source?.transport === 'containerd')
      return await importFromContainerd(paths, { ...importing, ...work, source, env, onBytes })
    const layout = await copyBySkopeo(paths, image, { ...copying, ...work })
    return await importLayout(paths, layout, importing, { isOfFile: source?.place !== undefined })
  } finally {
    await removeTree(work.directory)
  }
}

/** Returns the layout that it is in then. */
async function copyBySkopeo(
  paths: StorePaths,
  image: ImageName,
  copying: Copying & { readonly directory: string; readonly uid: number },
): Promise<string> {
  const { source, directory, uid, checkRoom, onBytes, signal, tlsVerify, env } = copying
  const layout = makeDirectories(source === undefined ? paths.blobs : undefined, directory, uid)
  const authFile = source === undefined ? findAuthFile(env, copying.authFile) : undefined
  const auth = `${directory}/auth.json`
  const hasCredentials = authFile !== undefined && copyCredentials(authFile, auth, repositoryPlaces(image))
  if (hasCredentials) chownSync(auth, uid, uid)
  if (source !== undefined)
    await copySource(source, { target: `${directory}/${sourceCopy}`, uid, signal, checkRoom })
  await runSkopeo({
    image,
    source,
    directory,
    uid,
    hasCredentials,
    tlsVerify,
    env,
    signal,
    onBytes,
    received: () => received(directory, uid),
  })
  return layout
}

/** More than a copied layout may have. */
const mostReceived = 200_000

/** Bytes that have come. @throws KataError ROOTFS_TOO_LARGE: empty files take no bytes, and a program that was taken over may make any number. */
function received(directory: string, owner: number): number {
  const { bytes, entries } = treeUse(directory, { owner, mostEntries: mostReceived })
  if (entries > mostReceived)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'pull', limit: `${mostReceived} files` })
  return bytes
}

/** What pulls, imports and removals that are dead have left. */
export function unfinishedWork({ layout, layers }: StorePaths): string[] {
  return [layout, layers].flatMap((directory) =>
    namesIn(directory)
      .filter(isAbandoned)
      .map((name) => `${directory}/${name}`),
  )
}

export async function removeUnfinished(paths: StorePaths): Promise<void> {
  for (const path of unfinishedWork(paths)) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) await removeTree(path)
    else rmSync(path, { force: true })
  }
}

/** The blobs of the store are there as links, so that no registry sends one again; their user can read them and unlink them. */
function makeDirectories(known: string | undefined, directory: string, uid: number): string {
  const layout = `${directory}/layout`
  const blobs = `${layout}/blobs/sha256`
  mkdirSync(blobs, { recursive: true, mode: 0o700 })
  for (const name of known === undefined ? [] : readdirSync(known))
    linkLayer(`${known}/${name}`, `${blobs}/${name}`)
  for (const path of [directory, layout, `${layout}/blobs`, blobs]) chownSync(path, uid, uid)
  return layout
}

/** One that is removed meanwhile is pulled again. */
function linkLayer(blob: string, link: string): void {
  try {
    if (!isDocument(blob)) linkSync(blob, link)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** JSON, no layer. Skopeo writes the document of a manifest in any case, and could not write to ours. White space may come first. */
function isDocument(path: string): boolean {
  return closing(openSync(path, 'r'), (fd) => {
    const first = Buffer.alloc(1024)
    const count = readSync(fd, first, 0, first.length, 0)
    return /^[ \t\r\n]*(\{|$)/.test(first.toString('latin1', 0, count))
  })
}
