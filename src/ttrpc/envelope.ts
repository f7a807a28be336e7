/**
 * The messages inside ttrpc frames (ttrpc request.proto and google.rpc.Status), encoded by hand so that a frame is one
 * allocation and its payload is copied once:
 *
 *     Request  { service = 1, method = 2, payload = 3, timeout_nano = 4, metadata = 5 repeated { key = 1, value = 2 } }
 *     Response { status = 1 { code = 1, message = 2, details = 3 repeated Any { type_url = 1, value = 2 } }, payload = 2 }
 *
 * google.rpc.ErrorInfo is the only one of the details that is read and written, see error-info.ts.
 */
import { encodeUtf8 } from '../protobuf/utf8.ts'
import { WireReader } from '../protobuf/wire-reader.ts'
import { decodeErrorInfo, type ErrorInfo, encodeErrorInfo } from './error-info.ts'
import { type FrameType, frameType, headerBytes, writeHeader } from './frame.ts'
import type { LentAnswer } from './lent-answer.ts'
import { type StatusName, statusCodes, statusName, TtrpcError } from './status.ts'
import { bytesField, join, messageField, messageHead, understood, varintField } from './wire.ts'

export interface Request {
  readonly service: string
  readonly method: string
  readonly payload: Uint8Array
  /** Time the caller gives, in milliseconds; undefined for no limit. */
  readonly timeoutMs: number | undefined
  readonly metadata: ReadonlyMap<string, string>
}

export interface Status extends ErrorInfo {
  readonly code: StatusName
  readonly message: string
}

export type Response = { readonly payload: Uint8Array } | { readonly status: Status }

/** More key-value pairs in one request are refused. */
const maxMetadata = 64
/** Tags, lengths and numbers in one envelope, payload and all that may be in it counting as one. */
const maxValues = 1024
const nanosPerMs = 1_000_000

/** The part of a request frame that is the same for every call of a method. */
export function methodPrefix(service: string, method: string): Uint8Array {
  return join([...bytesField(1, encodeUtf8(service)), ...bytesField(2, encodeUtf8(method))])
}

export interface RequestOptions {
  readonly timeoutMs?: number | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** A whole request frame. */
export function encodeRequest(
  streamId: number,
  prefix: Uint8Array,
  payload: Uint8Array,
  { timeoutMs, metadata = {} }: RequestOptions = {},
): Uint8Array {
  const parts = [prefix, ...bytesField(3, payload)]
  if (timeoutMs !== undefined) parts.push(...timeoutField(timeoutMs))
  for (const [key, value] of Object.entries(metadata))
    parts.push(
      ...messageField(5, join([...bytesField(1, encodeUtf8(key)), ...bytesField(2, encodeUtf8(value))])),
    )
  return frame(streamId, frameType.request, parts)
}

/** A limit of months, or Infinity, is none. */
function timeoutField(timeoutMs: number): Uint8Array[] {
  const nanos = Math.max(1, Math.round(timeoutMs * nanosPerMs))
  return nanos <= Number.MAX_SAFE_INTEGER ? [varintField(4, nanos)] : []
}

/** A whole response frame. */
export function encodeResponse(streamId: number, response: Response): Uint8Array {
  if ('payload' in response) return frame(streamId, frameType.response, bytesField(2, response.payload))
  const { code, message, ...info } = response.status
  const detail = encodeErrorInfo(info)
  const status = join([
    varintField(1, statusCodes[code]),
    ...bytesField(2, encodeUtf8(message)),
    ...(detail === undefined ? [] : messageField(3, detail)),
  ])
  return frame(streamId, frameType.response, messageField(1, status))
}

/** The frame of a response up to the first of the bytes that are lent. */
export function encodeHeadOfLent(streamId: number, { field, lent: { bytes } }: LentAnswer): Uint8Array {
  const head = messageHead(field, bytes.length)
  const whole = join([messageHead(2, head.length + bytes.length), head], headerBytes)
  writeHeader(whole, whole.length - headerBytes + bytes.length, streamId, frameType.response)
  return whole
}

function frame(streamId: number, type: FrameType, parts: readonly Uint8Array[]): Uint8Array {
  const whole = join(parts, headerBytes)
  writeHeader(whole, whole.length - headerBytes, streamId, type)
  return whole
}

/** @throws TtrpcError `invalid_argument` when the data is no request. `payload` shares memory with `data`. */
export function decodeRequest(data: Uint8Array): Request {
  return understood(() => requestFrom(data))
}

function requestFrom(data: Uint8Array): Request {
  const metadata = new Map<string, string>()
  const request = {
    service: '',
    method: '',
    payload: empty as Uint8Array,
    timeoutMs: undefined as number | undefined,
    metadata,
  }
  const reader = new WireReader(data, { values: maxValues })
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) request.service = reader.string()
    else if (field === 2) request.method = reader.string()
    else if (field === 3) request.payload = reader.bytes()
    else if (field === 4) request.timeoutMs = timeoutFrom(reader.varint())
    else if (field === 5) addMetadata(metadata, reader.nested())
    else reader.skip()
  }
  return request
}

/** Zero and negative numbers (which are huge as unsigned ones) mean no limit. */
function timeoutFrom(nanos: number): number | undefined {
  return nanos > 0 && nanos <= Number.MAX_SAFE_INTEGER ? nanos / nanosPerMs : undefined
}

function addMetadata(metadata: Map<string, string>, reader: WireReader): void {
  if (metadata.size >= maxMetadata) throw new TtrpcError('invalid_argument', 'too much metadata')
  let key = ''
  let value = ''
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) key = reader.string()
    else if (field === 2) value = reader.string()
    else reader.skip()
  }
  metadata.set(key, value)
}

/** @throws TtrpcError `invalid_argument` when the data is no response. `payload` shares memory with `data`. */
export function decodeResponse(data: Uint8Array): Response {
  return understood(() => responseFrom(data))
}

function responseFrom(data: Uint8Array): Response {
  let payload: Uint8Array = empty
  let status: Status | undefined
  const reader = new WireReader(data, { values: maxValues })
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) status = decodeStatus(reader.nested())
    else if (field === 2) payload = reader.bytes()
    else reader.skip()
  }
  return status && status.code !== 'ok' ? { status } : { payload }
}

function decodeStatus(reader: WireReader): Status {
  let code: StatusName = 'ok'
  let message = ''
  let info: ErrorInfo | undefined
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) code = statusName(reader.varint())
    else if (field === 2) message = reader.string()
    else if (field === 3) info ??= decodeErrorInfo(reader.nested())
    else reader.skip()
  }
  return { code, message, ...info }
}

const empty = new Uint8Array(0)
