/**
 * ttrpc frames (containerd/ttrpc PROTOCOL.md): a header of ten bytes - u32be length of the data, u32be stream id,
 * u8 type, u8 flags - and the data.
 */
import { TtrpcError } from './status.ts'
import type { Room } from './transport.ts'

export const headerBytes = 10
/** Most bytes of data in one frame; the protocol asks to reject more. */
export const maxDataBytes = 4 * 1024 * 1024
/** A longer frame is not skipped over but taken as garbage: the connection ends. */
const maxSkippedBytes = 16 * 1024 * 1024

export const frameType = { request: 1, response: 2, data: 3 } as const
export type FrameType = (typeof frameType)[keyof typeof frameType]

export interface FrameHeader {
  readonly length: number
  readonly streamId: number
  readonly type: FrameType
  readonly flags: number
}

export interface FrameReceiver {
  /** A whole frame. `data` may share memory with the chunk it came in. */
  frame(header: FrameHeader, data: Uint8Array): void
  /** A frame over {@link maxDataBytes}, whose data is being skipped. */
  oversize(header: FrameHeader): void
}

/**
 * The frame of a caller that takes over a byte stream which goes on without it, such as the serial port of a machine that was saved in
 * the middle of a connection: the server ends that connection, and serves a new one. It is an empty response, which no caller sends
 * otherwise, so that a server that does not know it ends the connection too. Not of the protocol.
 */
export function takeOverFrame(): Uint8Array {
  const frame = new Uint8Array(headerBytes)
  writeHeader(frame, 0, 1, frameType.response)
  return frame
}

export const isTakeOver = ({ length, streamId, type }: FrameHeader): boolean =>
  length === 0 && streamId === 1 && type === frameType.response

/** Writes a header at the start of `target`. */
export function writeHeader(target: Uint8Array, length: number, streamId: number, type: FrameType): void {
  putUint32(target, 0, length)
  putUint32(target, 4, streamId)
  target[8] = type
  target[9] = 0
}

function putUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

/** @throws TtrpcError `internal` when the bytes are no header: there is no way to find the next frame then. */
function readHeader(bytes: Uint8Array): FrameHeader {
  const length = getUint32(bytes, 0)
  const streamId = getUint32(bytes, 4)
  const type = bytes[8]
  if (type !== frameType.request && type !== frameType.response && type !== frameType.data)
    throw new TtrpcError('internal', `malformed frame: type ${type} is none of 1, 2, 3`)
  if (length > maxSkippedBytes)
    throw new TtrpcError('internal', `malformed frame: a length of ${length} bytes`)
  return { length, streamId, type, flags: bytes[9] ?? 0 }
}

function getUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Cuts a byte stream into frames. Holds at most one frame; a frame that lies whole in a chunk is not copied. */
export class FrameDecoder implements Room {
  readonly #receiver: FrameReceiver
  readonly #head = new Uint8Array(headerBytes)
  #headFilled = 0
  #header: FrameHeader | undefined
  #body: Uint8Array | undefined
  #bodyFilled = 0
  #skip = 0

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver
  }

  /** Takes the next bytes of the stream. @throws TtrpcError `internal` on bytes that are no frame. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) at += this.#skipped(chunk.length - at)
      else if (!this.#header) at = this.#takeHeader(chunk, at)
      else at = this.#takeBody(this.#header, chunk, at)
    }
  }

  #skipped(available: number): number {
    const skipped = Math.min(this.#skip, available)
    this.#skip -= skipped
    return skipped
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const taken = Math.min(headerBytes - this.#headFilled, chunk.length - at)
    this.#head.set(chunk.subarray(at, at + taken), this.#headFilled)
    this.#headFilled += taken
    if (this.#headFilled < headerBytes) return at + taken

    this.#headFilled = 0
    const header = readHeader(this.#head)
    if (header.length > maxDataBytes) {
      this.#skip = header.length
      this.#receiver.oversize(header)
    } else if (header.length === 0) {
      this.#receiver.frame(header, new Uint8Array(0))
    } else {
      this.#header = header
    }
    return at + taken
  }

  #takeBody(header: FrameHeader, chunk: Uint8Array, at: number): number {
    const available = chunk.length - at
    if (!this.#body && available >= header.length) {
      this.#header = undefined
      this.#receiver.frame(header, chunk.subarray(at, at + header.length))
      return at + header.length
    }
    this.#body ??= new Uint8Array(header.length)
    const taken = Math.min(header.length - this.#bodyFilled, available)
    this.#body.set(chunk.subarray(at, at + taken), this.#bodyFilled)
    this.filled(taken)
    return at + taken
  }

  /** Where the bytes that are missing of a frame belong; undefined: none is known to miss any. */
  next(): Uint8Array | undefined {
    if (!this.#header) return undefined
    this.#body ??= new Uint8Array(this.#header.length)
    return this.#body.subarray(this.#bodyFilled)
  }

  /** Takes so many bytes that were put there. @throws what the receiver throws. */
  filled(bytes: number): void {
    const header = this.#header
    const body = this.#body
    this.#bodyFilled += bytes
    if (!header || !body || this.#bodyFilled < body.length) return
    this.#header = undefined
    this.#body = undefined
    this.#bodyFilled = 0
    this.#receiver.frame(header, body)
  }
}
