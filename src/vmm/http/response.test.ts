import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { KataError } from '../../errors.ts'
import { type HttpResponse, ResponseReader } from './response.ts'

const isProtocolError = (error: unknown) => error instanceof KataError && error.code === 'VMM_PROTOCOL'
const encode = (status: number, body: string) =>
  `HTTP/1.1 ${status} \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n${
    body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
  }\r\n${body}`

/** Everything read when the bytes arrive in pieces of these sizes, over and over. */
function readInPieces(bytes: Buffer, sizes: readonly number[]): HttpResponse[] {
  const reader = new ResponseReader()
  const responses: HttpResponse[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!
    responses.push(...reader.push(bytes.subarray(at, at + size)))
    at += size
  }
  return responses
}

const response = fc.oneof(
  fc.record({ status: fc.constantFrom(204), body: fc.constant('') }),
  fc.record({ status: fc.constantFrom(200, 400, 404, 429, 500), body: fc.string({ unit: 'grapheme' }) }),
)
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })

test('any responses, one after the other, in any pieces', () => {
  fc.assert(
    fc.property(fc.array(response), sizes, (responses, pieces) => {
      const bytes = Buffer.from(responses.map(({ status, body }) => encode(status, body)).join(''))
      expect(readInPieces(bytes, pieces)).toEqual(responses)
    }),
  )
})

test('whatever the bytes are, they are responses or a protocol error', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string().map((text) => Buffer.from(`HTTP/1.1 200 OK\r\n${text}\r\n\r\n`)),
    fc.string().map((text) => Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${text}\r\n\r\n`)),
  )
  fc.assert(
    fc.property(noise, sizes, (bytes, pieces) => {
      try {
        readInPieces(Buffer.from(bytes), pieces)
      } catch (error) {
        expect(isProtocolError(error)).toBe(true)
      }
    }),
  )
})

describe('refused', () => {
  test.each([
    ['another protocol', 'RTSP/1.0 200 OK\r\n\r\n', 'a response without a status line'],
    ['a status that is an interim one', 'HTTP/1.1 100 Continue\r\n\r\n', 'without a status line'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'a transfer encoding'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n', 'two headers'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'is no number'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n', 'is no number'],
    ['a huge length', 'HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n', 'a body of more than'],
    ['a body where there is none', 'HTTP/1.1 204 \r\nContent-Length: 3\r\n\r\nabc', 'which has none'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nServer: a\r\n b\r\n\r\n', 'a header line that is none'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n', 'that is none'],
    ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 3\r\n\r\n', 'without a status line'],
  ])('%s', (_, text, reason) => {
    expect(() => new ResponseReader().push(Buffer.from(text))).toThrow(reason)
  })

  test('a head without an end, as soon as it is too long', () => {
    const reader = new ResponseReader({ head: 100, body: 10 })
    expect(reader.push(Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70)}`))).toEqual([])
    expect(() => reader.push(Buffer.from('a'.repeat(30)))).toThrow('a response head of more than 100 bytes')
  })
})
