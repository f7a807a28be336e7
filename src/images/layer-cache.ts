/** Unpacked layers, by the digest of their uncompressed form: an image that shares a layer with another shares its directory. */
import { KataError } from '../errors.ts'
import { breather } from '../time.ts'
import { cachedDirectory } from './content-cache.ts'
import { CompressionError, type DecompressOptions, decompressed } from './decompressor.ts'
import { type ByteSource, chunkSource } from './formats/byte-source.ts'
import { TarError } from './formats/tar-header.ts'
import { UnpackBudget, type UnpackLimits } from './formats/unpack-budget.ts'
import type { ArchivedImage, ArchivedLayer } from './image-archive.ts'
import { isCompressed } from './image-files.ts'
import { unpackLayer } from './unpack-layer.ts'

type UnpackableImage = Pick<ArchivedImage, 'path' | 'layers'>

/** Chunks between two breaths. */
const breathEvery = 32

export interface UnpackOptions {
  /** Told of each layer before it, counted from 1. */
  readonly onLayer?: (number: number) => void
  readonly signal?: AbortSignal
}

/** The limits of one image, unpacked. */
export const imageLimits: UnpackLimits = { bytes: 32 * 2 ** 30, entries: 2_000_000 }

/**
 * Unpacks what is not in `<cacheDir>/layers` yet and returns the directories, topmost layer first, as overlay wants
 * them.
 *
 * @throws KataError ROOTFS_ARCHIVE_INVALID, ROOTFS_ARCHIVE_UNSAFE, ROOTFS_DIGEST_MISMATCH, ROOTFS_TOO_LARGE,
 * ROOTFS_UNPACK_FAILED; the signal's reason.
 */
export async function unpackImage(
  image: UnpackableImage,
  cacheDir: string,
  limits: UnpackLimits = imageLimits,
  { onLayer = () => {}, signal }: UnpackOptions = {},
): Promise<string[]> {
  const cache = `${cacheDir}/layers`
  const budget = new UnpackBudget(limits)
  const directories: string[] = []
  for (const [index, layer] of image.layers.entries()) {
    onLayer(index + 1)
    const name = layer.diffId.replace(':', '-')
    const make = (directory: string) =>
      unpackVerified(layer, directory, budget, { directory: cacheDir, signal })
    const failed = explain(image, layer, cache)
    directories.unshift(
      await cachedDirectory(cache, name, make).catch((cause) => {
        signal?.throwIfAborted()
        return failed(cause)
      }),
    )
  }
  // Overlay refuses the same directory twice, and the upper one of two equal layers decides.
  return [...new Set(directories)]
}

async function unpackVerified(
  layer: ArchivedLayer,
  directory: string,
  budget: UnpackBudget,
  decompressing: DecompressOptions,
): Promise<void> {
  const { signal } = decompressing
  const blob = Bun.file(layer.file).slice(layer.offset, layer.offset + layer.size)
  const stored = new Bun.CryptoHasher('sha256')
  const plain = new Bun.CryptoHasher('sha256')
  const compression = isCompressed(await blob.slice(0, 4).bytes())
  const packed = hashed(blob.stream(), stored)
  const chunks = compression === undefined ? packed : decompressed(packed, compression, decompressing)
  const unpacked = hashed(chunks, plain, signal)
  try {
    const source = chunkSource(unpacked)
    await unpackLayer(source, directory, layer.diffId, budget)
    await drain(source, budget.limits.bytes)
  } finally {
    // The decompressor of a layer that is refused ends, too.
    await unpacked.return(undefined)
  }
  compare(`layer ${layer.diffId}`, stored, layer.digest)
  compare(`uncompressed layer ${layer.diffId}`, plain, layer.diffId)
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  hasher: Bun.CryptoHasher,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const breathe = breather(breathEvery, signal)
  for await (const chunk of chunks) {
    // A file that is in memory comes without a turn of anything else.
    await breathe()
    hasher.update(chunk)
    yield chunk
  }
}

/** Bytes after the end of the archive count for the digests. */
async function drain(source: ByteSource, limit: number): Promise<void> {
  while ((await source.readSome(1 << 20)).length > 0)
    if (source.position > 2 * limit) throw new TarError('there is too much after its end')
}

function compare(what: string, hasher: Bun.CryptoHasher, expected: string | undefined): void {
  const actual = `sha256:${hasher.digest('hex')}`
  if (expected !== undefined && actual !== expected)
    throw new KataError('ROOTFS_DIGEST_MISMATCH', { what, actual, expected })
}

function explain(image: UnpackableImage, layer: ArchivedLayer, directory: string) {
  return (cause: unknown): never => {
    // A failed system call is about this host's disk, and has a code of its own.
    if (cause instanceof KataError && cause.code !== 'SYSCALL_FAILED') throw cause
    if (cause instanceof TarError || cause instanceof CompressionError) {
      const reason = `layer ${layer.diffId}: ${cause.message}`
      throw new KataError('ROOTFS_ARCHIVE_INVALID', { path: image.path, reason }, { cause })
    }
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new KataError('ROOTFS_UNPACK_FAILED', { what: layer.diffId, directory, reason }, { cause })
  }
}
