/**
 * Netlink messages (netlink(7)): a header of 16 bytes - u32 length with the header, u16 type, u16 flags, u32 sequence
 * number, u32 port - and a body: a fixed structure followed by attributes, all of it aligned to 4 bytes.
 */
import { concat, fromCstring, structure, view } from './bytes.ts'
import { NetlinkFormatError } from './error.ts'

const headerBytes = 16

export const messageType = { error: 2, done: 3 } as const
export const flag = {
  request: 0x001,
  acknowledge: 0x004,
  /** In an answer: the dump may miss or repeat something that changed meanwhile. */
  interrupted: 0x010,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const

/** In an error message: only the header of the request is repeated in it. */
const capped = 0x100
/** In an error message: attributes follow, and one of them is a text. */
const hasAttributes = 0x200
const attributeMessage = 1

export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly body: Uint8Array
}

const align = (length: number) => (length + 3) & ~3

export function encodeMessage({ type, flags, sequence, body }: NetlinkMessage): Uint8Array {
  const header = structure(headerBytes, (to) => {
    to.setUint32(0, headerBytes + body.length, true)
    to.setUint16(4, type, true)
    to.setUint16(6, flags, true)
    to.setUint32(8, sequence, true)
  })
  return concat([header, body])
}

/** The messages of one datagram; bodies share memory with it. @throws NetlinkFormatError. */
export function parseMessages(datagram: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  const from = view(datagram)
  for (let at = 0; at < datagram.length; ) {
    if (datagram.length - at < headerBytes) throw new NetlinkFormatError('a message without a whole header')
    const length = from.getUint32(at, true)
    if (length < headerBytes || length > datagram.length - at)
      throw new NetlinkFormatError(`a message of ${length} bytes in ${datagram.length - at}`)
    messages.push({
      type: from.getUint16(at + 4, true),
      flags: from.getUint16(at + 6, true),
      sequence: from.getUint32(at + 8, true),
      body: datagram.subarray(at + headerBytes, at + length),
    })
    at += align(length)
  }
  return messages
}

export interface Refusal {
  /** 0: done as asked. */
  readonly errno: number
  /** The kernel's own words; often empty. */
  readonly reason: string
}

/** Body of an error message, which is the acknowledgement too. @throws NetlinkFormatError. */
export function parseError({ flags, body }: NetlinkMessage): Refusal {
  if (body.length < 4 + headerBytes) throw new NetlinkFormatError('an error message cut short')
  const from = view(body)
  const errno = -from.getInt32(0, true)
  if ((flags & hasAttributes) === 0) return { errno, reason: '' }
  const repeated = (flags & capped) === 0 ? from.getUint32(4, true) : headerBytes
  const text = parseAttributes(body.subarray(Math.min(4 + align(repeated), body.length))).get(
    attributeMessage,
  )
  return { errno, reason: text === undefined ? '' : fromCstring(text) }
}

/** Body of the message that ends a dump: its errno, 0 when all is told. Old kernels send no body. */
export const parseDone = ({ body }: NetlinkMessage): number =>
  body.length < 4 ? 0 : -view(body).getInt32(0, true)

/** struct nlattr: u16 length with the header, u16 type. */
const attributeHeaderBytes = 4
/** Flags in the type: nested, and network byte order. */
const attributeFlags = 0xc000

/** Longest that an attribute can say it is. */
const maxAttributeBytes = 0xffff

/** One attribute, padded; its value may be other attributes. @throws NetlinkFormatError when the value is too long. */
export function attribute(type: number, ...values: readonly Uint8Array[]): Uint8Array {
  const value = concat(values)
  const length = attributeHeaderBytes + value.length
  if (length > maxAttributeBytes) throw new NetlinkFormatError(`an attribute of ${length} bytes`)
  const bytes = structure(align(length), (to) => {
    to.setUint16(0, length, true)
    to.setUint16(2, type, true)
  })
  bytes.set(value, attributeHeaderBytes)
  return bytes
}

export type Attributes = ReadonlyMap<number, Uint8Array>

/** The attributes in `bytes`, the last one of a type counts; values share memory. @throws NetlinkFormatError. */
export function parseAttributes(bytes: Uint8Array): Attributes {
  const attributes = new Map<number, Uint8Array>()
  const from = view(bytes)
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.length - at
    // Up to three bytes of padding may close a body.
    if (rest < attributeHeaderBytes) break
    const length = from.getUint16(at, true)
    if (length < attributeHeaderBytes || length > rest)
      throw new NetlinkFormatError(`an attribute of ${length} bytes in ${rest}`)
    const type = from.getUint16(at + 2, true) & ~attributeFlags
    attributes.set(type, bytes.subarray(at + attributeHeaderBytes, at + length))
    at += align(length)
  }
  return attributes
}

/** The structure of `size` bytes at the start of a body, and the attributes after it. @throws NetlinkFormatError. */
export function splitBody(body: Uint8Array, size: number): { head: DataView; attributes: Attributes } {
  if (body.length < size) throw new NetlinkFormatError(`a body of ${body.length} bytes instead of ${size}`)
  return { head: view(body.subarray(0, size)), attributes: parseAttributes(body.subarray(align(size))) }
}

/** A u32 or i32 attribute; 0 when it is absent. @throws NetlinkFormatError. */
export function numberOf(attributes: Attributes, type: number): number {
  const value = attributes.get(type)
  if (value === undefined) return 0
  if (value.length < 4)
    throw new NetlinkFormatError(`attribute ${type} has ${value.length} bytes instead of 4`)
  return view(value).getUint32(0, true)
}
