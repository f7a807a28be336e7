/** Images of the store as one archive: an OCI layout that has docker's `manifest.json` beside it, as `docker save` writes it. */
import { createReadStream } from 'node:fs'
import { KataError } from '../../errors.ts'
import { tarEnd, tarHeader, tarPadding } from '../formats/tar-writer.ts'
import { openImageArchive } from '../image-archive.ts'
import { parseImageName, shortName } from '../names/image-name.ts'
import { findImage } from './image-store.ts'
import { shareStore } from './store-lock.ts'
import { makeStore, type StorePaths } from './store-paths.ts'

/**
 * `names`: names or ids.
 *
 * @throws KataError IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_STORE_*, ROOTFS_DIGEST_MISMATCH; the signal's reason.
 */
export async function* savedImages(
  paths: StorePaths,
  names: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  makeStore(paths)
  using opened = new DisposableStack()
  const manifests = []
  const docker = []
  const blobs = new Map<string, { readonly file: string; readonly size: number }>()
  for (const { name, id, image } of await openImages(paths, names, opened, signal)) {
    const parsed = parseImageName(name)
    const layers = image.layers.flatMap(({ digest, file, size }) =>
      digest === undefined ? [] : [{ digest, file, size }],
    )
    manifests.push({
      ...image.manifest,
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': parsed.tag ?? 'latest',
      },
    })
    docker.push({
      Config: memberOf(id),
      RepoTags: parsed.tag === undefined ? [] : [`${shortName(parsed)}:${parsed.tag}`],
      Layers: layers.map(({ digest }) => memberOf(digest)),
    })
    for (const blob of [...image.documents, ...layers]) blobs.set(blob.digest, blob)
  }
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }
  yield* document('oci-layout', { imageLayoutVersion: '1.0.0' })
  yield* document('index.json', index)
  yield* document('manifest.json', docker)
  for (const [digest, { file, size }] of blobs) {
    signal.throwIfAborted()
    yield header(memberOf(digest), size)
    yield* compared(file, digest)
    yield tarPadding(size)
  }
  yield tarEnd()
}

/** A layer that was never unpacked was last compared when it came. @throws KataError ROOTFS_DIGEST_MISMATCH, at the end. */
async function* compared(file: string, expected: string): AsyncGenerator<Uint8Array> {
  const hasher = new Bun.CryptoHasher('sha256')
  for await (const chunk of createReadStream(file)) {
    hasher.update(chunk as Buffer)
    yield chunk as Buffer
  }
  const actual = `sha256:${hasher.digest('hex')}`
  if (actual !== expected)
    throw new KataError('ROOTFS_DIGEST_MISMATCH', { what: `blob ${expected}`, actual, expected })
}

/** The store is shared until their files are open, and no longer: who reads the archive takes his time. */
async function openImages(
  paths: StorePaths,
  names: readonly string[],
  opened: DisposableStack,
  signal: AbortSignal,
) {
  // Before they are looked for: what is found stays.
  using _shared = await shareStore(paths, signal)
  const images = []
  for (const text of names) {
    const { name, id, digest } = await findImage(paths, text)
    const image = opened.use(await openImageArchive(paths.layout, paths.cacheDir, { digest }))
    images.push({ name, id, image })
  }
  return images
}

const memberOf = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`

function* document(name: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(JSON.stringify(value))
  yield header(name, bytes.length)
  yield bytes
  yield tarPadding(bytes.length)
}

const header = (name: string, size: number): Buffer =>
  tarHeader({ name: Buffer.from(name), type: 'file', size, mode: 0o644, uid: 0, gid: 0, mtime: 0 })
