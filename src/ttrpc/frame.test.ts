import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, methodPrefix } from './envelope.ts'
import { FrameDecoder, headerBytes, maxDataBytes } from './frame.ts'
import { type StatusName, statusCodes, TtrpcError } from './status.ts'
import { bytesField, join, messageField, varintField } from './wire.ts'

/** Cuts bytes at the given places (taken modulo the length), so chunks of every size occur, empty ones too. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, index) => bytes.subarray(at[index]!, end))
}

function decodeAll(chunks: Uint8Array[]) {
  const frames: { streamId: number; data: Uint8Array }[] = []
  const oversize: number[] = []
  const decoder = new FrameDecoder({
    frame: ({ streamId }, data) => frames.push({ streamId, data: data.slice() }),
    oversize: ({ streamId }) => oversize.push(streamId),
  })
  for (const chunk of chunks) decoder.push(chunk)
  return { frames, oversize }
}

const calls = fc.array(
  fc.record({
    streamId: fc.integer({ min: 0, max: 0xffffffff }),
    service: fc.string({ unit: 'grapheme' }),
    method: fc.string(),
    payload: fc.uint8Array({ maxLength: 200 }),
    timeoutMs: fc.option(fc.integer({ min: 1, max: 1e6 }), { nil: undefined }),
    metadata: fc.dictionary(fc.string(), fc.string(), { maxKeys: 4, noNullPrototype: true }),
  }),
  { maxLength: 5 },
)

test('requests come through any cutting of the stream', () => {
  fc.assert(
    fc.property(calls, fc.array(fc.nat()), (requests, places) => {
      const stream = Buffer.concat(
        requests.map((r) => encodeRequest(r.streamId, methodPrefix(r.service, r.method), r.payload, r)),
      )
      const { frames } = decodeAll(cut(stream, places))
      const decoded = frames.map(({ streamId, data }) => {
        const { metadata, payload, ...rest } = decodeRequest(data)
        return { streamId, payload: [...payload], metadata: [...metadata], ...rest }
      })
      expect(decoded).toEqual(
        requests.map(({ payload, metadata, ...rest }) => ({
          ...rest,
          payload: [...payload],
          metadata: Object.entries(metadata),
        })),
      )
    }),
  )
})

test('bytes that are put where they belong make the same frames as bytes in chunks', () => {
  const step = fc.record({ bytes: fc.integer({ min: 1, max: 300 }), takesRoom: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 500 })),
      fc.array(step, { minLength: 1 }),
      (payloads, steps) => {
        const stream = Buffer.concat(payloads.map((payload, at) => encodeResponse(at, { payload })))
        const frames: Uint8Array[] = []
        const decoder = new FrameDecoder({
          frame: (_, data) => frames.push(data.slice()),
          oversize: () => {},
        })
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const { bytes, takesRoom } = steps[turn % steps.length]!
          const room = takesRoom ? decoder.next() : undefined
          const piece = stream.subarray(at, at + Math.min(bytes, room?.length ?? bytes))
          if (room === undefined) decoder.push(piece)
          else {
            room.set(piece)
            decoder.filled(piece.length)
          }
          at += piece.length
        }
        expect(frames).toEqual(decodeAll([stream]).frames.map(({ data }) => data))
      },
    ),
  )
})

test('a frame of which nothing is known has no room, nor one that is skipped', () => {
  const decoder = new FrameDecoder({ frame: () => {}, oversize: () => {} })
  const frame = encodeResponse(1, { payload: new Uint8Array(100) })
  expect(decoder.next()).toBeUndefined()
  decoder.push(frame.subarray(0, headerBytes - 1))
  expect(decoder.next()).toBeUndefined()
  decoder.push(frame.subarray(headerBytes - 1, headerBytes + 5))
  expect(decoder.next()?.length).toBe(frame.length - headerBytes - 5)
  decoder.push(frame.subarray(headerBytes + 5))
  expect(decoder.next()).toBeUndefined()
  const big = encodeResponse(1, { payload: new Uint8Array(maxDataBytes) })
  decoder.push(big.subarray(0, headerBytes + 1))
  expect(decoder.next()).toBeUndefined()
})

test('an oversize frame is reported once and skipped, and the frames around it come through', () => {
  const before = encodeResponse(1, { payload: Uint8Array.of(1) })
  const big = new Uint8Array(headerBytes + maxDataBytes + 1)
  big.set([0, 0x40, 0, 1, 0, 0, 0, 3, 1, 0])
  const after = encodeResponse(5, { payload: Uint8Array.of(2) })
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 8 }), (places) => {
      const { frames, oversize } = decodeAll(cut(Buffer.concat([before, big, after]), places))
      expect(frames.map((frame) => frame.streamId)).toEqual([1, 5])
      expect(oversize).toEqual([3])
    }),
    { numRuns: 20 },
  )
})

test('a frame of more than 16 MiB is not skipped over: nothing that follows it is believed', () => {
  const header = (length: number) => {
    const bytes = Buffer.alloc(headerBytes)
    bytes.writeUInt32BE(length)
    bytes.set([0, 0, 0, 3, 1], 4)
    return bytes
  }
  expect(decodeAll([header(2 ** 24)])).toEqual({ frames: [], oversize: [3] })
  expect(() => decodeAll([header(2 ** 24 + 1)])).toThrow('malformed frame: a length of 16777217 bytes')
})

test('a frame that is of none of the three types is garbage, however long it is', () => {
  for (const type of [0, 4, 255])
    for (const length of [0, 5, maxDataBytes + 1]) {
      const header = Buffer.alloc(headerBytes)
      header.writeUInt32BE(length)
      header.set([0, 0, 0, 1, type], 4)
      expect(() => decodeAll([header])).toThrow(`malformed frame: type ${type} is none of 1, 2, 3`)
    }
})

describe('an envelope has a bound of its own, whatever its payload is', () => {
  const codeOf = (read: () => unknown): unknown => {
    try {
      read()
      return 'read'
    } catch (error) {
      return error instanceof TtrpcError ? error.code : error
    }
  }

  test('64 pairs of metadata are taken, and not one more', () => {
    const withPairs = (count: number) => {
      const metadata = Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 'v']))
      const frame = encodeRequest(1, methodPrefix('s', 'm'), Uint8Array.of(9), { metadata })
      return codeOf(() => decodeRequest(frame.subarray(headerBytes)))
    }
    expect([withPairs(64), withPairs(65)]).toEqual(['read', 'invalid_argument'])
  })

  test.each([
    ['a request', decodeRequest],
    ['an answer', decodeResponse],
  ])('%s of 1024 values is read, and of one more it is not', (_, decode) => {
    // A field that nobody knows: a tag and a number.
    const unknown = (fields: number) => Buffer.alloc(2 * fields, Uint8Array.of(0x78, 0))
    expect(codeOf(() => decode(unknown(512)))).toBe('read')
    expect(codeOf(() => decode(unknown(513)))).toBe('invalid_argument')
  })
})

test('garbage never throws anything but a TtrpcError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat()), (bytes, places) => {
      for (const read of [
        () => decodeAll(cut(bytes, places)),
        () => decodeRequest(bytes),
        () => decodeResponse(bytes),
      ])
        try {
          read()
        } catch (error) {
          expect(error).toBeInstanceOf(TtrpcError)
        }
    }),
    { numRuns: 500 },
  )
})

test('a reason comes through as an ErrorInfo, and nothing else is taken for one', () => {
  const status = { code: 'not_found', message: 'no such file', reason: 'COMMAND_NOT_FOUND' } as const
  const frame = encodeResponse(1, { status })
  expect(new TextDecoder().decode(frame)).toContain('type.googleapis.com/google.rpc.ErrorInfo')
  expect(decodeResponse(frame.subarray(headerBytes))).toEqual({ status })
  for (const reason of ['not capitals', '', 'A'.repeat(64), 'A\u001b[2J']) {
    const wrong = encodeResponse(1, { status: { ...status, reason } }).subarray(headerBytes)
    expect(decodeResponse(wrong)).toEqual({ status: { code: 'not_found', message: 'no such file' } })
  }
  const text = new TextDecoder('latin1').decode(frame).replace('ErrorInfo', 'RetryInfo')
  const other = Uint8Array.from(text, (char) => char.charCodeAt(0)).subarray(headerBytes)
  expect(decodeResponse(other)).toEqual({ status: { code: 'not_found', message: 'no such file' } })
})

describe('an ErrorInfo with domain and metadata', () => {
  const info = { reason: 'A_CODE', domain: 'example.com', metadata: { path: '/x', reason: 'ümlaut' } }
  const status = { code: 'internal', message: 'm', ...info } as const
  const decoded = (given: object) =>
    decodeResponse(encodeResponse(1, { status: { ...status, ...given } }).subarray(headerBytes))

  test('comes through', () => expect(decoded({})).toEqual({ status }))

  test.each([
    ['33 pairs', { metadata: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`k${at}`, 'v'])) }],
    ['a key that is no name', { metadata: { 'a b': 'v' } }],
    ['a key of 65 characters', { metadata: { ['k'.repeat(65)]: 'v' } }],
    ['more than 256 KiB', { metadata: { key: 'v'.repeat(256 * 1024) } }],
    ['a domain of 256 characters', { domain: 'd'.repeat(256) }],
    ['no reason', { reason: undefined }],
  ])('%s: the status stands without it', (_, given) => {
    expect(decoded(given)).toEqual({ status: { code: 'internal', message: 'm' } })
  })

  test('32 pairs and 255 KiB are taken', () => {
    const metadata = Object.fromEntries(Array.from({ length: 32 }, (_, at) => [`k${at}`, 'v']))
    expect(decoded({ metadata })).toEqual({ status: { ...status, metadata } })
    const long = { key: 'v'.repeat(255 * 1024) }
    expect(decoded({ metadata: long })).toEqual({ status: { ...status, metadata: long } })
  })

  // No answer of ours has one so long.
  test.each([
    [256 * 1024, { reason: 'A_CODE', metadata: { key: expect.any(String) } }],
    [256 * 1024 + 1, {}],
  ])('of %d bytes that a peer has made comes through as %j', (bytes, info) => {
    const text = (field: number, value: string) => bytesField(field, Buffer.from(value))
    const made = (length: number) =>
      join([
        ...text(1, 'A_CODE'),
        ...messageField(3, join([...text(1, 'key'), ...text(2, 'v'.repeat(length))])),
      ])
    const whole = made(bytes - (made(bytes).length - bytes))
    expect(whole.length).toBe(bytes)
    const detail = join([...text(1, 'type.googleapis.com/google.rpc.ErrorInfo'), ...bytesField(2, whole)])
    const answer = join(messageField(1, join([varintField(1, 13), ...messageField(3, detail)])))
    expect(decodeResponse(answer)).toEqual({ status: { code: 'internal', message: '', ...info } })
  })
})

test('every status comes through, and a code nobody knows is unknown', () => {
  for (const code of Object.keys(statusCodes).filter((name) => name !== 'ok') as StatusName[]) {
    const frame = encodeResponse(1, { status: { code, message: 'because' } })
    expect(decodeResponse(frame.subarray(headerBytes))).toEqual({ status: { code, message: 'because' } })
  }
  expect(decodeResponse(Uint8Array.of(0x0a, 2, 8, 99))).toEqual({ status: { code: 'unknown', message: '' } })
})

test.each([Infinity, 200 * 24 * 3600 * 1000])('a time limit of %d ms is none', (timeoutMs) => {
  const frame = encodeRequest(1, methodPrefix('s', 'm'), Uint8Array.of(9), { timeoutMs })
  expect(frame).toEqual(encodeRequest(1, methodPrefix('s', 'm'), Uint8Array.of(9)))
})

test.each([
  ['zero', [0], undefined],
  ['one that is less', [...Array(9).fill(0xff), 1], undefined],
  ['one beyond what a number holds', [...Array(8).fill(0xff), 0x7f], undefined],
  ['a millisecond', [0xc0, 0x84, 0x3d], 1],
])('a peer’s time limit of %s nanoseconds is understood', (_, nanos, timeoutMs) => {
  expect(decodeRequest(Uint8Array.of(0x20, ...nanos)).timeoutMs).toBe(timeoutMs)
})

test('the bytes are those of the protocol', () => {
  const frame = encodeRequest(1, methodPrefix('s', 'm'), Uint8Array.of(9), {
    timeoutMs: 1,
    metadata: { k: 'v' },
  })
  const expected =
    '0000001700000001' + '0100' + '0a0173' + '12016d' + '1a0109' + '20c0843d' + '2a06' + '0a016b' + '120176'
  expect(Buffer.from(frame).toString('hex')).toBe(expected.replace('00000017', '00000015'))
})
