/** Messages of DNS (RFC 1035), as far as a resolver for addresses needs them. All bytes are those of others. */
import { formatIp, parseIp } from '../../netlink/ip.ts'

export interface Query {
  readonly id: number
  /** Lower case, without the last dot. A byte that common names do not have is `\DDD`. */
  readonly name: string
  readonly type: number
  /** The question as it was asked, letters' case included. */
  readonly question: Buffer
}

export interface AddressRecord {
  readonly address: string
  /** Seconds. */
  readonly ttl: number
}

export const recordType = { a: 1, cname: 5, ptr: 12, aaaa: 28 } as const
const classIn = 1
const headerBytes = 12
/** A message over UDP, as every client takes it; EDNS may follow a question. */
export const datagramBytes = 512
const mostRecords = 100

export const responseCode = {
  none: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const

const isResponse = 0x8000
const isTruncated = 0x0200
const operation = 0x7800

/** A query with one question of the internet; undefined for anything else. */
export function readQuery(message: Buffer): Query | undefined {
  if (message.length < headerBytes || message.length > datagramBytes) return undefined
  const flags = message.readUInt16BE(2)
  const isQuery = (flags & 0xf800) === 0
  if (!isQuery || message.readUInt16BE(4) !== 1) return undefined
  const asked = readName(message, headerBytes)
  // A question's name is the first of the message: there is nothing to point to.
  if (asked === undefined || asked.compressed || asked.end + 4 > message.length) return undefined
  if (message.readUInt16BE(asked.end + 2) !== classIn) return undefined
  return {
    id: message.readUInt16BE(0),
    name: asked.name,
    type: message.readUInt16BE(asked.end),
    question: Buffer.from(message.subarray(headerBytes, asked.end + 4)),
  }
}

/** The forwarded query: ours, except for the question. */
export function writeQuery(id: number, question: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  // Recursion desired.
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  return Buffer.concat([header, question])
}

/** What to say to a message that is no query; undefined for one that wants no answer, as another answer. */
export function writeRefusal(message: Buffer): Buffer | undefined {
  if (message.length < headerBytes) return undefined
  const flags = message.readUInt16BE(2)
  if ((flags & isResponse) !== 0) return undefined
  const code = (flags & operation) === 0 ? responseCode.formatError : responseCode.notImplemented
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(message.readUInt16BE(0), 0)
  header.writeUInt16BE(isResponse | (flags & operation) | code, 2)
  return header
}

export interface AnswerRecord {
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  readonly data: Uint8Array
}

export const addressRecord = ({ address, ttl }: AddressRecord): AnswerRecord => {
  const data = parseIp(address)!
  return { type: data.length === 4 ? recordType.a : recordType.aaaa, ttl, data }
}

/** A name that an address has. It has labels of 1 to 63 characters. */
export function nameRecord(name: string, ttl: number): AnswerRecord {
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`))
  return { type: recordType.ptr, ttl, data: Buffer.concat([...labels, Buffer.of(0)]) }
}

/** An answer of at most `mostBytes`; it says so when that leaves records out, and the client asks again over TCP. */
export function writeAnswer(
  { id, question }: Query,
  code: number,
  records: readonly AnswerRecord[] = [],
  mostBytes: number = datagramBytes,
): Buffer {
  const parts = [Buffer.alloc(headerBytes), question]
  let length = headerBytes + question.length
  let given = 0
  for (const record of records.map(writeRecord)) {
    if (length + record.length > mostBytes) break
    parts.push(record)
    length += record.length
    given++
  }
  const [header] = parts
  header!.writeUInt16BE(id, 0)
  // A response, recursion desired and available.
  header!.writeUInt16BE(0x8180 | (given < records.length ? isTruncated : 0) | code, 2)
  header!.writeUInt16BE(1, 4)
  header!.writeUInt16BE(given, 6)
  return Buffer.concat(parts)
}

function writeRecord({ type, ttl, data }: AnswerRecord): Buffer {
  const head = Buffer.alloc(12)
  // The name is that of the question.
  head.writeUInt16BE(0xc000 | headerBytes, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(classIn, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

export interface Answer {
  readonly code: number
  /** The addresses of the asked name, through its aliases. A record counts no longer than the aliases that lead to it. */
  readonly addresses: readonly AddressRecord[]
  /** There is more of it, over TCP. */
  readonly truncated: boolean
}

/** Whether it answers this query; what it says is not looked at. */
export function isAnswerTo(message: Buffer, id: number, question: Buffer): boolean {
  if (message.length < headerBytes + question.length || message.readUInt16BE(0) !== id) return false
  if ((message.readUInt16BE(2) & isResponse) === 0 || message.readUInt16BE(4) !== 1) return false
  return message.subarray(headerBytes, headerBytes + question.length).equals(question)
}

/** The answer to our query; undefined for any other message, or a malformed one. */
export function readAnswer(message: Buffer, id: number, question: Buffer): Answer | undefined {
  if (!isAnswerTo(message, id, question)) return undefined
  const flags = message.readUInt16BE(2)
  const wanted = question.readUInt16BE(question.length - 4)
  const records = readRecords(message, headerBytes + question.length, wanted)
  const asked = readName(message, headerBytes)
  if (records === undefined || asked === undefined) return undefined
  let known = new Map([[asked.name, Number.POSITIVE_INFINITY]])
  // Aliases come in any order; each round follows one more.
  for (let round = 0; round < 16; round++) {
    const further = new Map(known)
    for (const { name, ttl, alias } of records) {
      const until = known.get(name)
      if (alias !== undefined && until !== undefined && !further.has(alias))
        further.set(alias, Math.min(until, ttl))
    }
    if (further.size === known.size) break
    known = further
  }
  const addresses = records.flatMap(({ name, ttl, address }) => {
    const until = known.get(name)
    return address === undefined || until === undefined ? [] : [{ address, ttl: Math.min(until, ttl) }]
  })
  return { code: flags & 0xf, addresses, truncated: (flags & isTruncated) !== 0 }
}

interface ReadRecord {
  readonly name: string
  readonly ttl: number
  readonly alias?: string
  readonly address?: string
}

const addressBytes: Readonly<Record<number, number>> = { [recordType.a]: 4, [recordType.aaaa]: 16 }

/** Aliases and addresses of the type `wanted`; undefined when a record of the answer section ends outside of the message. */
function readRecords(message: Buffer, start: number, wanted: number): ReadRecord[] | undefined {
  const count = message.readUInt16BE(6)
  if (count > mostRecords) return undefined
  const records: ReadRecord[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    const owner = readName(message, at)
    if (owner === undefined || owner.end + 10 > message.length) return undefined
    const { name, end } = owner
    const length = message.readUInt16BE(end + 8)
    const data = end + 10
    if (data + length > message.length) return undefined
    const type = message.readUInt16BE(end)
    const ttl = message.readUInt32BE(end + 4)
    const isAddress = type === wanted && length === addressBytes[type]
    if (message.readUInt16BE(end + 2) === classIn && isAddress)
      records.push({ name, ttl, address: formatIp(message.subarray(data, data + length)) })
    if (type === recordType.cname) {
      const alias = readName(message, data)
      if (alias === undefined) return undefined
      records.push({ name, ttl, alias: alias.name })
    }
    at = data + length
  }
  return records
}

/**
 * A label may hold any byte (RFC 2181, 11). All but those of common names are written as in files of name servers, `\046`: a dot inside of a
 * label would make another name of it.
 */
const textOf = (label: string): string =>
  label.replace(/[^A-Za-z0-9_-]/g, (byte) => `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`)

/** A name and where the message goes on behind it; undefined when it is longer than names are, or leads nowhere. */
function readName(
  message: Buffer,
  start: number,
): { name: string; end: number; compressed: boolean } | undefined {
  const labels: string[] = []
  let at = start
  let end: number | undefined
  let length = 0
  for (let jumps = 0; jumps < 32; ) {
    const size = message[at]
    if (size === undefined) return undefined
    if (size === 0) {
      const name = labels.join('.').toLowerCase()
      return { name, end: end ?? at + 1, compressed: end !== undefined }
    }
    if ((size & 0xc0) === 0xc0) {
      const low = message[at + 1]
      if (low === undefined) return undefined
      end ??= at + 2
      at = ((size & 0x3f) << 8) | low
      jumps++
      continue
    }
    length += size + 1
    if (size > 63 || length > 254 || at + 1 + size > message.length) return undefined
    labels.push(textOf(message.toString('latin1', at + 1, at + 1 + size)))
    at += 1 + size
  }
  return undefined
}
