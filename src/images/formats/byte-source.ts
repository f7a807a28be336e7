/** A stream of bytes read in pieces of a wished-for size: a file that can skip, or any async sequence of chunks. */
import { readSync } from 'node:fs'
import { TarError } from './tar-header.ts'

export interface ByteSource {
  /** Bytes read or skipped so far. */
  readonly position: number
  /** Exactly `length` bytes. @throws TarError if the stream ends before. */
  read(length: number): Promise<Buffer>
  /** Between 1 and `atMost` bytes; an empty buffer at the end. */
  readSome(atMost: number): Promise<Buffer>
  skip(length: number): Promise<void>
}

async function readExactly(source: ByteSource, length: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let missing = length; missing > 0; ) {
    const piece = await source.readSome(missing)
    if (piece.length === 0) throw new TarError('it ends too early')
    pieces.push(piece)
    missing -= piece.length
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}

/** The file behind `fd`, by position; the descriptor's own offset is not used. */
export function fileSource(fd: number): ByteSource {
  let position = 0
  const source: ByteSource = {
    get position() {
      return position
    },
    read: (length) => readExactly(source, length),
    async readSome(atMost) {
      const buffer = Buffer.alloc(Math.min(atMost, 1 << 20))
      const count = readSync(fd, buffer, 0, buffer.length, position)
      position += count
      return buffer.subarray(0, count)
    },
    async skip(length) {
      position += length
    },
  }
  return source
}

/** Any sequence of chunks, for instance the output of a decompressor. */
export function chunkSource(chunks: AsyncIterable<Uint8Array>): ByteSource {
  const iterator = chunks[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  let position = 0
  const source: ByteSource = {
    get position() {
      return position
    },
    read: (length) => readExactly(source, length),
    async readSome(atMost) {
      while (rest.length === 0) {
        const { done, value } = await iterator.next()
        if (done) return rest
        rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      }
      const piece = rest.subarray(0, atMost)
      rest = rest.subarray(piece.length)
      position += piece.length
      return piece
    },
    async skip(length) {
      for (let missing = length; missing > 0; ) {
        const piece = await source.readSome(missing)
        if (piece.length === 0) throw new TarError('it ends too early')
        missing -= piece.length
      }
    },
  }
  return source
}
