/**
 * Finds image configuration and layers in an archive: an OCI image layout in a tar (`oci-layout`, `index.json`), or
 * the older form of `docker save` (`manifest.json`). The archive stays where it is; layers are read out of it by
 * position.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../errors.ts'
import { fileSource } from './byte-source.ts'
import { type ImageConfig, parseImageConfig } from './image-config.ts'
import { TarError } from './tar-header.ts'
import { readTar } from './tar-reader.ts'

/** A layer's bytes in the archive file. */
export interface ArchivedLayer {
  readonly offset: number
  readonly size: number
  /** `sha256:...` of the uncompressed layer. */
  readonly diffId: string
  /** `sha256:...` of the bytes as they are in the archive; undefined where the format does not record it. */
  readonly digest: string | undefined
}

export interface ArchivedImage {
  readonly path: string
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly ArchivedLayer[]
}

interface Member {
  readonly offset: number
  readonly size: number
  readonly linkTo?: string
}

interface Descriptor {
  readonly digest?: string
  readonly mediaType?: string
  readonly platform?: { readonly os?: string; readonly architecture?: string }
}

/** A layer is three of them at most. */
const maxMembers = 10_000
const maxJsonBytes = 8 << 20
const maxLayers = 500
/** Go's names, which the specification uses, of the architectures that we run on. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** @throws KataError ROOTFS_MISSING, ROOTFS_ARCHIVE_INVALID, ROOTFS_DIGEST_MISMATCH, ROOTFS_TOO_LARGE. */
export async function openImageArchive(path: string): Promise<ArchivedImage> {
  const fd = open(path)
  try {
    const archive = new Archive(path, fd, await readMembers(path, fd))
    return archive.has('index.json') ? ociImage(archive) : dockerImage(archive)
  } finally {
    closeSync(fd)
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('ROOTFS_MISSING', { path, reason }, { cause })
  }
}

async function readMembers(path: string, fd: number): Promise<Map<string, Member>> {
  const magic = Buffer.alloc(4)
  readSync(fd, magic, 0, 4, 0)
  if (isCompressed(magic))
    throw new KataError('ROOTFS_ARCHIVE_INVALID', {
      path,
      reason: 'it is compressed as a whole (decompress it with gunzip or unzstd first)',
    })
  const members = new Map<string, Member>()
  try {
    for await (const entry of readTar(fileSource(fd))) {
      if (members.size >= maxMembers)
        throw new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit: `${maxMembers} files` })
      const { offset, size, type, linkName } = entry
      const name = posix.normalize(entry.name)
      if (type === 'file') members.set(name, { offset, size })
      // Old versions of docker save a repeated layer as a link to the first one.
      if (type === 'symlink')
        members.set(name, { offset, size, linkTo: posix.join(posix.dirname(name), linkName) })
      if (type === 'hardlink') members.set(name, { offset, size, linkTo: posix.normalize(linkName) })
    }
  } catch (cause) {
    if (!(cause instanceof TarError)) throw cause
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason: cause.message }, { cause })
  }
  return members
}

/** Whether these first bytes are those of gzip (RFC 1952) or Zstandard (RFC 8878). */
export function isCompressed(magic: Uint8Array): 'gzip' | 'zstd' | undefined {
  const hex = Buffer.from(magic.subarray(0, 4)).toString('hex')
  if (hex.startsWith('1f8b')) return 'gzip'
  return hex === '28b52ffd' ? 'zstd' : undefined
}

class Archive {
  readonly path: string
  readonly #fd: number
  readonly #members: ReadonlyMap<string, Member>

  constructor(path: string, fd: number, members: ReadonlyMap<string, Member>) {
    this.path = path
    this.#fd = fd
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
    const { offset, size } = this.member(name)
    if (size > maxJsonBytes)
      throw new KataError('ROOTFS_TOO_LARGE', { what: name, limit: `${maxJsonBytes} bytes` })
    const bytes = Buffer.alloc(size)
    readSync(this.#fd, bytes, 0, size, offset)
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

function ociImage(archive: Archive): ArchivedImage {
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

function dockerImage(archive: Archive): ArchivedImage {
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
): ArchivedImage {
  const { config, rootfs } = fields(configFile)
  const diffIds = list(archive, fields(rootfs).diff_ids, 'diff_ids')
  if (diffIds.length !== layers.length) archive.invalid('layers and diff_ids differ in number')
  if (layers.length > maxLayers)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit: `${maxLayers} layers` })
  return {
    path: archive.path,
    config: parseImageConfig(config),
    layers: layers.map(({ offset, size, digest }, index) => {
      const diffId = archive.blob({ digest: String(diffIds[index]) }).digest
      return { offset, size, digest, diffId }
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
