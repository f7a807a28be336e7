/** Reads the options for dm-verity, and makes its table for the device mapper. Pure: tested on the host. */
import { diskUnmountable, invalid } from '../errors.ts'

export interface VerityWish {
  /** In hex. */
  readonly rootHash: string
  /** Position of the superblock on the disk, bytes. The hashes follow it. */
  readonly hashOffset: number
}

export interface VerityTable {
  readonly sectors: number
  /** In the form of the kernel's Documentation/admin-guide/device-mapper/verity.rst. */
  readonly parameters: string
}

/** cryptsetup's superblock: 512 bytes, little-endian. */
export const superblockBytes = 512
const place = {
  version: 8,
  hashType: 12,
  algorithm: 32,
  dataBlock: 64,
  hashBlock: 68,
  blocks: 72,
  saltSize: 80,
  salt: 88,
}
const signature = 'verity\0\0'
const longestSalt = 256
const sectorBytes = 512
const blockSizes = [512, 1024, 2048, 4096]
/** Accepted algorithms, with the hex digits of a digest. The disk names its own algorithm, so weak ones must be refused. */
const digests: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 }

/** Kata's words for dm-verity in the options of a Storage. */
const words = {
  enabled: 'X-kata.dmverity-enabled',
  rootHash: 'X-kata.dmverity.roothash',
  hashOffset: 'X-kata.dmverity.hashoffset',
}

/**
 * Separates the options for dm-verity from those of the file system.
 *
 * @throws TtrpcError INVALID_ARGUMENT if options are missing or unknown.
 */
export function takeVerity(options: readonly string[]): { rest: readonly string[]; wish?: VerityWish } {
  const mine = options.filter((word) => word.startsWith('X-kata.dmverity'))
  if (mine.length === 0) return { rest: options }
  const asked = new Map(mine.map((word) => [word.split('=')[0]!, word.slice(word.indexOf('=') + 1)]))
  const rootHash = asked.get(words.rootHash) ?? ''
  const hashOffset = Number(asked.get(words.hashOffset) ?? Number.NaN)
  const isWhole = asked.size === 3 && mine.length === 3 && asked.get(words.enabled) === 'true'
  if (
    !isWhole ||
    !/^[0-9a-f]+$/.test(rootHash) ||
    !Number.isSafeInteger(hashOffset) ||
    hashOffset < sectorBytes
  )
    throw invalid(`dm-verity cannot be set up by ${mine.join(',')}`)
  return { rest: options.filter((word) => !mine.includes(word)), wish: { rootHash, hashOffset } }
}

/**
 * Makes the table for the disk `node`. @throws TtrpcError INVALID_ARGUMENT if the superblock is invalid, or the hash has another length than the
 * algorithm's.
 */
export function verityTable(
  superblock: Uint8Array,
  node: string,
  { rootHash, hashOffset }: VerityWish,
): VerityTable {
  const refuse = (reason: string) => diskUnmountable(`dm-verity cannot be set up: ${reason}`)
  const text = (from: number, length: number) =>
    String.fromCharCode(...superblock.subarray(from, from + length))
  if (superblock.length < superblockBytes || text(0, signature.length) !== signature)
    throw refuse(`no superblock of it is at byte ${hashOffset} of the disk`)
  const view = new DataView(superblock.buffer, superblock.byteOffset, superblockBytes)
  const [version, hashType, dataBlock, hashBlock] = [
    place.version,
    place.hashType,
    place.dataBlock,
    place.hashBlock,
  ].map((offset) => view.getUint32(offset, true)) as [number, number, number, number]
  if (version !== 1 || hashType !== 1)
    throw refuse(`its superblock has version ${version}, hash type ${hashType}`)
  const algorithm = text(place.algorithm, 32).replace(/\0.*$/s, '')
  if (digests[algorithm] !== rootHash.length)
    throw refuse(`a root hash of ${rootHash.length} digits and the algorithm ${JSON.stringify(algorithm)}`)
  if (!blockSizes.includes(dataBlock) || !blockSizes.includes(hashBlock))
    throw refuse(`blocks of ${dataBlock} and ${hashBlock} bytes`)
  const blocks = Number(view.getBigUint64(place.blocks, true))
  if (blocks === 0 || blocks * dataBlock > hashOffset)
    throw refuse(`${blocks} blocks before byte ${hashOffset}`)
  const saltSize = view.getUint16(place.saltSize, true)
  if (saltSize > longestSalt) throw refuse(`a salt of ${saltSize} bytes`)
  const salt = hex(superblock.subarray(place.salt, place.salt + saltSize)) || '-'
  const start = Math.ceil((hashOffset + superblockBytes) / hashBlock)
  const parameters = [hashType, node, node, dataBlock, hashBlock, blocks, start, algorithm, rootHash, salt]
  return { sectors: (blocks * dataBlock) / sectorBytes, parameters: parameters.join(' ') }
}

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
