/**
 * Finds image configuration and layers among the files of an image: an OCI image layout (`oci-layout`, `index.json`), or the
 * older form of `docker save` (`manifest.json`). They stay where they are; layers are read by position.
 */
import { openSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../errors.ts'
import { readText } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import type { Reader } from '../json/values.ts'
import { closing } from '../linux/files/open-at.ts'
import { architecture } from './architecture.ts'
import { emptyImageConfig, type ImageConfig } from './formats/image-config.ts'
import {
  type Descriptor,
  type DockerImage,
  type ImageFile,
  type Manifest,
  readDockerManifest,
  readImageFile,
  readManifest,
} from './formats/image-documents.ts'
import {
  nameOfDescriptor,
  type Selection,
  selectDockerImage,
  selectManifest,
  type Wanted,
} from './formats/select-image.ts'
import { type Member, type Members, openImageFiles } from './image-files.ts'

export type { Wanted } from './formats/select-image.ts'

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

/** A document of an image. */
export interface ArchivedDocument {
  readonly file: string
  readonly offset: number
  readonly size: number
  readonly digest: string
}

export interface ArchivedManifest {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
}

export interface ArchivedImage extends Disposable {
  /** For people. */
  readonly path: string
  /** Its id: the digest of its configuration. */
  readonly id: string
  /** Undefined for an archive that has none. */
  readonly manifest: ArchivedManifest | undefined
  /** When it was built, as it says itself. */
  readonly created: string | undefined
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly ArchivedLayer[]
  /** Its configuration, and its manifest if it has one. */
  readonly documents: readonly ArchivedDocument[]
}

type FoundImage = Omit<ArchivedImage, typeof Symbol.dispose>

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const maxJsonBytes = 8 << 20
/** All documents of one archive together: it may name one of them again and again, and each time it is read and kept. */
const maxAllJsonBytes = 64 << 20
/** The most that one image may have. */
export const maxLayers = 500

/**
 * `spoolDir` has room for an image that comes through a pipe. Its files can be read until the result is disposed of.
 *
 * @throws KataError ROOTFS_MISSING, ROOTFS_ARCHIVE_INVALID, ROOTFS_ARCHIVE_TAG, ROOTFS_DIGEST_MISMATCH, ROOTFS_TOO_LARGE,
 * ROOTFS_UNPACK_FAILED.
 */
export async function openImageArchive(
  path: string,
  spoolDir: string,
  wanted: Wanted = {},
): Promise<ArchivedImage> {
  const files = await openImageFiles(path, spoolDir)
  try {
    const archive = new Archive(path, files.members)
    const image = archive.has('index.json') ? ociImage(archive, wanted) : dockerImage(archive, wanted)
    return { ...image, [Symbol.dispose]: () => files[Symbol.dispose]() }
  } catch (error) {
    files[Symbol.dispose]()
    throw error
  }
}

/** What an archive calls an image. */
export interface NamedImage {
  readonly name: string | undefined
  readonly image: FoundImage
}

/** All images of an archive for this machine, each with all its names. @throws as {@link openImageArchive}; the signal's reason. */
export async function openImageArchives(
  path: string,
  spoolDir: string,
  signal?: AbortSignal,
): Promise<Disposable & { readonly images: readonly NamedImage[] }> {
  const files = await openImageFiles(path, spoolDir, signal)
  try {
    const archive = new Archive(path, files.members)
    const images = archive.has('index.json') ? allOciImages(archive) : allDockerImages(archive)
    return { images, [Symbol.dispose]: () => files[Symbol.dispose]() }
  } catch (error) {
    files[Symbol.dispose]()
    throw error
  }
}

class Archive {
  readonly path: string
  readonly #members: Members
  #jsonBytes = 0

  constructor(path: string, members: Members) {
    this.path = path
    this.#members = members
  }

  has(name: string): boolean {
    return this.#members.get(name) !== undefined
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

  /** The image that was selected. */
  chosen<T>(selection: Selection<T>, wanted: Wanted): T {
    if (selection.kind === 'found') return selection.image
    const tags = selection.names.join(', ') || 'none'
    const { name = '' } = wanted
    if (selection.kind === 'ambiguous')
      throw new KataError('ROOTFS_ARCHIVE_TAG', { path: this.path, problem: 'holds several images', tags })
    throw new KataError('ROOTFS_ARCHIVE_TAG', { path: this.path, problem: `holds no image ${name}`, tags })
  }

  /** Reads a JSON member, after comparing its digest if one is expected. */
  json<T>(name: string, reader: Reader<T>, digest?: string): T {
    return this.document(name, reader, digest).value
  }

  document<T>(name: string, reader: Reader<T>, digest?: string): { value: T; digest: string } {
    const member = this.member(name)
    this.#jsonBytes += member.size
    if (this.#jsonBytes > maxAllJsonBytes)
      throw new KataError('ROOTFS_TOO_LARGE', {
        what: 'archive',
        limit: `${maxAllJsonBytes} bytes of documents`,
      })
    const bytes = readAll(name, member)
    const actual = `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`
    if (digest !== undefined && actual !== digest)
      throw new KataError('ROOTFS_DIGEST_MISMATCH', { what: name, actual, expected: digest })
    try {
      return { value: readText(reader, bytes.toString('utf8')), digest: actual }
    } catch (error) {
      if (!(error instanceof JsonMismatch)) throw error
      return this.invalid(`${name}: ${error.message}`)
    }
  }

  /** The name of the blob that a descriptor names. */
  blob({ digest }: Descriptor): { name: string; digest: string } {
    const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1]
    if (hex === undefined) this.invalid(`${digest} is not a SHA-256 digest`)
    return { name: `blobs/sha256/${hex}`, digest }
  }
}

function readAll(name: string, { file, offset, size }: Member): Buffer {
  if (size > maxJsonBytes)
    throw new KataError('ROOTFS_TOO_LARGE', { what: name, limit: `${maxJsonBytes} bytes` })
  return closing(openSync(file, 'r'), (fd) => {
    const bytes = Buffer.alloc(size)
    readSync(fd, bytes, 0, size, offset)
    return bytes
  })
}

function ociImage(archive: Archive, wanted: Wanted): FoundImage {
  const { descriptor: chosen, manifest } = ociManifest(
    archive,
    archive.json('index.json', readManifest),
    wanted,
  )
  const config = archive.blob(manifest.config ?? archive.invalid('it has no config'))
  const layers = some(archive, manifest.layers, 'layers').map((descriptor) => {
    const { name, digest } = archive.blob(descriptor)
    return { ...archive.member(name), digest }
  })
  const document = archive.document(config.name, readImageFile, config.digest)
  const { name, digest } = archive.blob(chosen)
  const { mediaType = manifestType } = chosen
  const found = archive.member(name)
  const manifestOf = { digest, mediaType, size: found.size }
  const documents = [
    { ...archive.member(config.name), digest: config.digest },
    { ...found, digest },
  ]
  return image(archive, document, { layers, manifest: manifestOf, documents })
}

function allOciImages(archive: Archive): NamedImage[] {
  const index = archive.json('index.json', readManifest)
  return forThisMachine(archive, index).map((descriptor) => ({
    name: nameOfDescriptor(descriptor),
    image: ociImage(archive, { digest: descriptor.digest }),
  }))
}

function allDockerImages(archive: Archive): NamedImage[] {
  return some(archive, archive.json('manifest.json', readDockerManifest), 'manifest.json').flatMap(
    (chosen) => {
      const found = dockerImageOf(archive, chosen)
      const { RepoTags = [] } = chosen
      return (RepoTags.length === 0 ? [undefined] : RepoTags).map((name) => ({ name, image: found }))
    },
  )
}

/** Follows an index to the manifest for this machine; an index may hold an index (once). */
function ociManifest(
  archive: Archive,
  index: Manifest,
  wanted: Wanted,
): { descriptor: Descriptor; manifest: Manifest } {
  const chosen = archive.chosen(selectManifest(forThisMachine(archive, index), wanted), wanted)
  const { name, digest } = archive.blob(chosen)
  const manifest = archive.json(name, readManifest, digest)
  if (manifest.manifests === undefined) return { descriptor: chosen, manifest }
  const [inner] = forThisMachine(archive, manifest)
  const blob = archive.blob(inner)
  const found = archive.json(blob.name, readManifest, blob.digest)
  if (found.manifests !== undefined) archive.invalid('its index is nested too deeply')
  return { descriptor: inner, manifest: found }
}

function forThisMachine(archive: Archive, index: Manifest): readonly [Descriptor, ...Descriptor[]] {
  const [first, ...others] = some(archive, index.manifests, 'manifests').filter(
    ({ platform }) =>
      platform === undefined || (platform.os === 'linux' && platform.architecture === architecture),
  )
  return first === undefined
    ? archive.invalid(`it holds no image for linux/${architecture}`)
    : [first, ...others]
}

function dockerImage(archive: Archive, wanted: Wanted): FoundImage {
  const images = some(archive, archive.json('manifest.json', readDockerManifest), 'manifest.json')
  return dockerImageOf(archive, archive.chosen(selectDockerImage(images, wanted), wanted))
}

function dockerImageOf(archive: Archive, chosen: DockerImage): FoundImage {
  const layers = some(archive, chosen.Layers, 'Layers').map((name) => ({
    ...archive.member(posix.normalize(name)),
    digest: undefined,
  }))
  const name = posix.normalize(chosen.Config)
  const document = archive.document(name, readImageFile)
  const documents = [{ ...archive.member(name), digest: document.digest }]
  return image(archive, document, { layers, manifest: undefined, documents })
}

function image(
  archive: Archive,
  document: { readonly value: ImageFile; readonly digest: string },
  {
    layers,
    manifest,
    documents,
  }: {
    readonly layers: readonly (Member & { digest: string | undefined })[]
    readonly manifest: ArchivedManifest | undefined
    readonly documents: readonly ArchivedDocument[]
  },
): FoundImage {
  const { config = emptyImageConfig, rootfs, created } = document.value
  const diffIds = some(archive, rootfs?.diff_ids, 'diff_ids')
  if (diffIds.length !== layers.length) archive.invalid('layers and diff_ids differ in number')
  if (layers.length > maxLayers)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit: `${maxLayers} layers` })
  return {
    path: archive.path,
    id: document.digest,
    manifest,
    created,
    config,
    documents,
    layers: layers.map(({ file, offset, size, digest }, index) => {
      const diffId = archive.blob({ digest: diffIds[index] ?? '' }).digest
      return { file, offset, size, digest, diffId }
    }),
  }
}

/** At least one. */
function some<T>(archive: Archive, list: readonly T[] | undefined, name: string): readonly [T, ...T[]] {
  const [first, ...others] = list ?? []
  return first === undefined ? archive.invalid(`it has no ${name}`) : [first, ...others]
}
