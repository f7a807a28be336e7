/**
 * google.rpc.ErrorInfo { reason = 1, domain = 2, metadata = 3 } as a detail of a status: for programs, where the message is for
 * people (https://google.aip.dev/193). Whatever breaks a limit here is no ErrorInfo, and the status stands without it.
 */
import { encodeUtf8 } from '../protobuf/utf8.ts'
import type { WireReader } from '../protobuf/wire-reader.ts'
import { bytesField, join, messageField } from './wire.ts'

export interface ErrorInfo {
  /** Why, as a word: capitals, digits and `_`, at most 63 of them. */
  readonly reason?: string | undefined
  /** Whose word that is. */
  readonly domain?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

const typeUrl = 'type.googleapis.com/google.rpc.ErrorInfo'
const reasonPattern = /^[A-Z][A-Z0-9_]{0,62}$/
const keyPattern = /^[a-z][a-zA-Z0-9_-]{0,63}$/
const maxDomainLength = 255
const maxPairs = 32
/** Longest detail, bytes: 20 long fields of an error. */
const maxBytes = 256 * 1024

/** The detail; nothing for an info without a reason, or one that a peer would not take. */
export function encodeErrorInfo({ reason, domain = '', metadata = {} }: ErrorInfo): Uint8Array | undefined {
  if (reason === undefined) return undefined
  const parts = [...bytesField(1, encodeUtf8(reason)), ...bytesField(2, encodeUtf8(domain))]
  for (const [key, value] of Object.entries(metadata))
    parts.push(
      ...messageField(3, join([...bytesField(1, encodeUtf8(key)), ...bytesField(2, encodeUtf8(value))])),
    )
  const info = join(parts)
  if (info.length > maxBytes) return undefined
  return join([...bytesField(1, encodeUtf8(typeUrl)), ...bytesField(2, info)])
}

/** What `reader` has to the end of a detail. @throws MalformedMessage for bytes that are no message at all. */
export function decodeErrorInfo(reader: WireReader): ErrorInfo | undefined {
  let type = ''
  let value: WireReader | undefined
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) type = reader.string()
    else if (field === 2) value = reader.nested()
    else reader.skip()
  }
  return type === typeUrl && value !== undefined && value.left <= maxBytes ? infoFrom(value) : undefined
}

function infoFrom(reader: WireReader): ErrorInfo | undefined {
  let reason = ''
  let domain = ''
  const pairs: [string, string][] = []
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) reason = reader.string()
    else if (field === 2) domain = reader.string()
    else if (field === 3) pairs.push(pairFrom(reader.nested()))
    else reader.skip()
  }
  const isFit =
    reasonPattern.test(reason) &&
    domain.length <= maxDomainLength &&
    pairs.length <= maxPairs &&
    pairs.every(([key]) => keyPattern.test(key))
  if (!isFit) return undefined
  return {
    reason,
    ...(domain === '' ? {} : { domain }),
    ...(pairs.length === 0 ? {} : { metadata: Object.fromEntries(pairs) }),
  }
}

function pairFrom(reader: WireReader): [string, string] {
  let key = ''
  let value = ''
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  return [key, value]
}
