/** Messages of DNS (RFC 1035), as far as a resolver for IPv4 addresses needs them. All bytes are those of others. */

export interface Query {
  readonly id: number
  /** Lower case, without the last dot. */
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

export const typeA = 1
const typeCname = 5
const classIn = 1
const headerBytes = 12
/** A question over UDP; EDNS may follow it. */
const mostBytes = 512
const mostRecords = 100
/** Answers that one message holds, whatever the length of its name. */
const mostAnswers = 15

export const responseCode = { none: 0, serverFailure: 2, refused: 5 } as const

/** A query with one question of the internet; undefined for anything else. */
export function readQuery(message: Buffer): Query | undefined {
  if (message.length < headerBytes || message.length > mostBytes) return undefined
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

/** The query that is sent on: of ours alone, but for the question. */
export function writeQuery(id: number, question: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  // Recursion desired.
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  return Buffer.concat([header, question])
}

export function writeAnswer(
  { id, question }: Query,
  code: number,
  addresses: readonly AddressRecord[] = [],
): Buffer {
  const given = addresses.slice(0, mostAnswers)
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  // A response, recursion desired and available.
  header.writeUInt16BE(0x8180 | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(given.length, 6)
  const records = given.map(({ address, ttl }) => {
    const record = Buffer.alloc(16)
    // The name is that of the question.
    record.writeUInt16BE(0xc000 | headerBytes, 0)
    record.writeUInt16BE(typeA, 2)
    record.writeUInt16BE(classIn, 4)
    record.writeUInt32BE(ttl, 6)
    record.writeUInt16BE(4, 10)
    record.set(address.split('.').map(Number), 12)
    return record
  })
  return Buffer.concat([header, question, ...records])
}

export interface Answer {
  readonly code: number
  /** Of the name that was asked, through its aliases. A record counts no longer than the aliases that lead to it. */
  readonly addresses: readonly AddressRecord[]
}

/** Whether it answers this query; what it says is not looked at. */
export function isAnswerTo(message: Buffer, id: number, question: Buffer): boolean {
  if (message.length < headerBytes + question.length || message.readUInt16BE(0) !== id) return false
  const isResponse = (message.readUInt16BE(2) & 0x8000) !== 0
  if (!isResponse || message.readUInt16BE(4) !== 1) return false
  return message.subarray(headerBytes, headerBytes + question.length).equals(question)
}

/** The answer to a query of ours; undefined when the message is not that, or broken. */
export function readAnswer(message: Buffer, id: number, question: Buffer): Answer | undefined {
  if (!isAnswerTo(message, id, question)) return undefined
  const flags = message.readUInt16BE(2)
  const records = readRecords(message, headerBytes + question.length)
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
  return { code: flags & 0xf, addresses }
}

interface ReadRecord {
  readonly name: string
  readonly ttl: number
  readonly alias?: string
  readonly address?: string
}

/** Those of the answer section that matter; undefined when one of them ends outside of the message. */
function readRecords(message: Buffer, start: number): ReadRecord[] | undefined {
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
    if (message.readUInt16BE(end + 2) === classIn && type === typeA && length === 4)
      records.push({ name, ttl, address: message.subarray(data, data + 4).join('.') })
    if (type === typeCname) {
      const alias = readName(message, data)
      if (alias === undefined) return undefined
      records.push({ name, ttl, alias: alias.name })
    }
    at = data + length
  }
  return records
}

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
    const label = message.toString('latin1', at + 1, at + 1 + size)
    // A dot inside of a label would make another name of it.
    if (!/^[A-Za-z0-9_-]+$/.test(label)) return undefined
    labels.push(label)
    at += 1 + size
  }
  return undefined
}
