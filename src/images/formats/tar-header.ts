/** One 512-byte header of a tar archive: ustar (POSIX.1-1988) with GNU's base-256 numbers. Pure parsing of untrusted bytes. */

export const blockBytes = 512

export interface TarHeader {
  readonly name: string
  /** The type flag as a character; `0` for the NUL of old archives. */
  readonly type: string
  /** Bytes of content that follow, before padding. */
  readonly size: number
  /** Permission bits with set-uid, set-gid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970; 0 for a time before. */
  readonly mtime: number
  readonly linkName: string
}

/** A tar archive that cannot be read; the caller turns it into a coded error that names the archive. */
export class TarError extends Error {}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @returns undefined for the zero block that ends an archive. @throws TarError. */
export function parseHeader(block: Buffer): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  if (checksum(block) !== number(block, 148, 8)) throw new TarError('a header has a wrong checksum')
  const isUstar = block.toString('latin1', 257, 262) === 'ustar'
  const isPosix = isUstar && block[262] === 0
  const prefix = isPosix ? string(block, 345, 155) : ''
  const name = string(block, 0, 100)
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    // Before ustar a directory was a file whose name ends in a slash.
    type: type === '0' && !isUstar && name.endsWith('/') ? '5' : type,
    size: number(block, 124, 12),
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    mtime: isNegative(block[136]!) ? 0 : number(block, 136, 12),
    linkName: string(block, 157, 100),
  }
}

/** Decodes a name. @throws TarError: names that are not UTF-8 cannot be handled without changing them. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new TarError('a name is not valid UTF-8')
  }
}

/** The checksum is the sum of all bytes with its own field taken as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += block[at]!
  return sum
}

function string(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length)
  const end = field.indexOf(0)
  return decodeName(end < 0 ? field : field.subarray(0, end))
}

function number(block: Buffer, start: number, length: number): number {
  const field = block.subarray(start, start + length)
  const value = (field[0]! & 0x80) !== 0 ? base256(field) : octal(field)
  if (!Number.isSafeInteger(value) || value < 0) throw new TarError('a number in a header is out of range')
  return value
}

function octal(field: Buffer): number {
  const digits = field.toString('latin1').replace(/\0.*$/s, '').trim()
  if (digits === '') return 0
  if (!/^[0-7]+$/.test(digits)) throw new TarError('a number in a header is not octal')
  return Number.parseInt(digits, 8)
}

/** GNU: top bit of the first byte set, the rest is a big-endian two's complement number. */
function base256(field: Buffer): number {
  if (isNegative(field[0]!)) return -1
  const digits = Buffer.from(field)
  digits[0] = field[0]! & 0x7f
  return Number(BigInt(`0x${digits.toString('hex')}`))
}

const isNegative = (first: number): boolean => (first & 0xc0) === 0xc0
