/**
 * Finds image configuration and layers among the files of an image: an OCI image layout (`oci-layout`, `index.json`), or the
 * older form of `docker save` (`manifest.json`). They stay where they are; layers are read by position.
 */
import { openSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../errors.ts'
import { closing } from '../linux/open-at.ts'
import { type ImageConfig, parseImageConfig } from './image-config.ts'
import { type Member, openImageFiles } from './image-files.ts'

/** Where the bytes of a layer are. */
export interface ArchivedLayer {
  readonly file: string
  readonly offset: number
  readonly size: number
  /** `sha256:...` of the uncompressed layer. */
  readonly diffId: string
  /** `sha256:...` of the bytes as they are in the archive; undefined where the format does not record it. */
  readonly digest: string | undefined
}

export interface ArchivedImage extends Disposable {
  /** For people. */
  readonly path: string
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly ArchivedLayer[]
}

type FoundImage = Omit<ArchivedImage, typeof Symbol.dispose>

interface Descriptor {
  readonly digest?: string
  readonly mediaType?: string
  readonly platform?: { readonly os?: string; readonly architecture?: string }
}

const maxJsonBytes = 8 << 20
const maxLayers = 500
/** Go's names, which the specification uses, of the architectures that we run on. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * `spoolDir` has room for an image that comes through a pipe. Its files can be read until the result is let go of.
 *
 * @throws KataError ROOTFS_MISSING, ROOTFS_ARCHIVE_INVALID, ROOTFS_DIGEST_MISMATCH, ROOTFS_TOO_LARGE, ROOTFS_UNPACK_FAILED.
 */
export async function openImageArchive(path: string, spoolDir: string): Promise<ArchivedImage> {
  const files = await openImageFiles(path, spoolDir)
  try {
    const archive = new Archive(path, files.members)
    const image = archive.has('index.json') ? ociImage(archive) : dockerImage(archive)
    return { ...image, [Symbol.dispose]: () => files[Symbol.dispose]() }
  } catch (error) {
    files[Symbol.dispose]()
    throw error
  }
}

class Archive {
  readonly path: string
  readonly #members: ReadonlyMap<string, Member>

  constructor(path: string, members: ReadonlyMap<string, Member>) {
    this.path = path
    this.#members = members
  }

  has(name: string): boolean {
    return this.#members.has(name)
  }

  invalid(reason: string): never {
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path: this.path, reason })
  }

  member(name: string): Member {
    const member = this.#members.get(name)
    const target = member?.linkTo === undefined ? member : this.#members.get(member.linkTo)
    if (target === undefined || target.linkTo !== undefined) this.invalid(`it holds no file ${name}`)
    return target
  }

  /** Parses a JSON member, after comparing its digest if one is expected. */
  json(name: string, digest?: string): unknown {
    const { file, offset, size } = this.member(name)
    if (size > maxJsonBytes)
      throw new KataError('ROOTFS_TOO_LARGE', { what: name, limit: `${maxJsonBytes} bytes` })
    const bytes = Buffer.alloc(size)
    closing(openSync(file, 'r'), (fd) => readSync(fd, bytes, 0, size, offset))
    const actual = `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`
    if (digest !== undefined && actual !== digest)
      throw new KataError('ROOTFS_DIGEST_MISMATCH', { what: name, actual, expected: digest })
    try {
      return JSON.parse(bytes.toString('utf8'))
    } catch {
      return this.invalid(`${name} is not JSON`)
    }
  }

  /** The name of the blob that a descriptor names. */
  blob(descriptor: Descriptor): { name: string; digest: string } {
    const digest = String(descriptor?.digest)
    const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1]
    if (hex === undefined) this.invalid(`${digest} is not a SHA-256 digest`)
    return { name: `blobs/sha256/${hex}`, digest }
  }
}

function ociImage(archive: Archive): FoundImage {
  const manifest = ociManifest(archive, archive.json('index.json'))
  const config = archive.blob(manifest.config as Descriptor)
  const layers = list(archive, manifest.layers, 'layers').map((descriptor) => {
    const { name, digest } = archive.blob(descriptor as Descriptor)
    return { ...archive.member(name), digest }
  })
  return image(archive, archive.json(config.name, config.digest), layers)
}

/** Follows an index to the manifest for this machine; an index may hold an index (once). */
function ociManifest(archive: Archive, index: unknown, depth = 0): Record<string, unknown> {
  const manifests = list(archive, fields(index).manifests, 'manifests') as Descriptor[]
  const architecture = architectures[process.arch]
  const chosen = manifests.find(
    ({ platform }) =>
      platform === undefined || (platform.os === 'linux' && platform.architecture === architecture),
  )
  if (chosen === undefined) archive.invalid(`it holds no image for linux/${architecture}`)
  const { name, digest } = archive.blob(chosen)
  const manifest = fields(archive.json(name, digest))
  if (manifest.manifests === undefined) return manifest
  if (depth > 0) archive.invalid('its index is nested too deeply')
  return ociManifest(archive, manifest, depth + 1)
}

function dockerImage(archive: Archive): FoundImage {
  const first = fields(list(archive, archive.json('manifest.json'), 'manifest.json')[0])
  const layers = list(archive, first.Layers, 'Layers').map((name) => ({
    ...archive.member(posix.normalize(String(name))),
    digest: undefined,
  }))
  return image(archive, archive.json(posix.normalize(String(first.Config))), layers)
}

function image(
  archive: Archive,
  configFile: unknown,
  layers: readonly (Member & { digest: string | undefined })[],
): FoundImage {
  const { config, rootfs } = fields(configFile)
  const diffIds = list(archive, fields(rootfs).diff_ids, 'diff_ids')
  if (diffIds.length !== layers.length) archive.invalid('layers and diff_ids differ in number')
  if (layers.length > maxLayers)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit: `${maxLayers} layers` })
  return {
    path: archive.path,
    config: parseImageConfig(config),
    layers: layers.map(({ file, offset, size, digest }, index) => {
      const diffId = archive.blob({ digest: String(diffIds[index]) }).digest
      return { file, offset, size, digest, diffId }
    }),
  }
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function list(archive: Archive, value: unknown, name: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0) archive.invalid(`it has no ${name}`)
  return value
}
