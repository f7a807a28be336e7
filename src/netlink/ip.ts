/** IP and hardware addresses between text and bytes (RFC 4291, RFC 5952). */

export const family = { any: 0, ipv4: 2, ipv6: 10 } as const
export type Family = typeof family.ipv4 | typeof family.ipv6

export const familyOf = (address: Uint8Array): Family => (address.length === 4 ? family.ipv4 : family.ipv6)

/** Bits of an address. */
const widthOf = (of: Family): number => (of === family.ipv4 ? 32 : 128)

/** 4 or 16 bytes, or undefined when `text` is no address. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** 4 or 6, or 0 when `text` is no address. node:net has the same; loading it takes 1.6 MiB, which every shim would hold. */
export function ipVersion(text: string): 0 | 4 | 6 {
  const address = parseIp(text)
  if (address === undefined) return 0
  return familyOf(address) === family.ipv4 ? 4 : 6
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  // A leading zero would be octal to some readers.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return
  return Uint8Array.from(parts, Number)
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return
  const [head, tail] = halves.map((half, index) => groups(half, index === halves.length - 1))
  if (head === undefined || (halves.length === 2 && tail === undefined)) return
  const missing = 16 - head.length - (tail?.length ?? 0)
  // "::" means at least one group.
  if (tail === undefined ? missing !== 0 : missing < 2) return
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])])
}

/** The bytes of colon-separated groups; the last group of an address may be IPv4. Undefined for any other group. */
function groups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const ipv4 = isEnd && parts.at(-1)!.includes('.') ? parseIpv4(parts.pop()!) : []
  if (ipv4 === undefined || parts.length > 8 || !parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return
  const words = parts.map((part) => Number.parseInt(part, 16))
  return [...words.flatMap((word) => [word >> 8, word & 0xff]), ...ipv4]
}

/** Text of 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const words = Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!)
  const { start, length } = longestZeros(words)
  const hex = (part: readonly number[]) => part.map((word) => word.toString(16)).join(':')
  if (length < 2) return hex(words)
  return `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < words.length; start++) {
    let length = 0
    while (words[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

/** An address and how many of its bits name the network. */
export interface Prefix {
  readonly address: Uint8Array
  readonly length: number
}

/** Parses `10.1.0.0/16`. Without a length the prefix is a single address. Undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const [ip = '', length, more] = text.split('/')
  const address = parseIp(ip)
  if (address === undefined || more !== undefined) return
  const width = widthOf(familyOf(address))
  if (length === undefined) return { address, length: width }
  if (!/^\d{1,3}$/.test(length) || Number(length) > width) return
  return { address, length: Number(length) }
}

export const formatPrefix = ({ address, length }: Prefix): string => `${formatIp(address)}/${length}`

/** Six bytes, or undefined. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16))
}

export const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
