import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { listAddresses, parseAddress } from './address.ts'
import { concat, cstring, fromCstring, structure, uint32 } from './bytes.ts'
import { NetlinkClient } from './client.ts'
import { NetlinkError, NetlinkFormatError } from './error.ts'
import { parseLink } from './link.ts'
import {
  attribute,
  encodeMessage,
  flag,
  messageType,
  numberOf,
  parseAttributes,
  parseError,
  parseMessages,
} from './message.ts'
import { parseNeighbour } from './neighbour.ts'
import { listRoutes, parseRoute } from './route.ts'
import { parseRule } from './rule.ts'
import { parseTcpConnection } from './tcp-connection.ts'

const uint16 = fc.integer({ min: 0, max: 0xffff })
const message = fc.record({
  type: uint16,
  flags: uint16,
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  // The kernel pads bodies.
  body: fc.array(fc.uint8Array({ minLength: 4, maxLength: 4 }), { maxLength: 20 }).map(concat),
})

describe('messages', () => {
  test('any number of them comes back from one datagram', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        expect(parseMessages(concat(messages.map(encodeMessage)))).toEqual(messages)
      }),
    )
  })

  test('attributes come back, the last of a type counting', () => {
    const entry = fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }))
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        const bytes = concat(entries.map(([type, value]) => attribute(type, value)))
        expect(bytes.length % 4).toBe(0)
        expect([...parseAttributes(bytes)].sort()).toEqual([...new Map(entries)].sort())
      }),
    )
  })

  test('bytes that mean nothing end in a format error or in a value, never in anything else', () => {
    const parsers = [
      ...[parseMessages, parseAttributes, parseLink, parseAddress, parseRoute, parseNeighbour],
      ...[parseTcpConnection, parseRule],
    ]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...parsers), (bytes, parse) => {
        try {
          ;(parse as (bytes: Uint8Array) => unknown)(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(NetlinkFormatError)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('the kernel’s reason is read from behind the repeated request', () => {
    const request = encodeMessage({ type: 16, flags: 5, sequence: 1, body: new Uint8Array(8) })
    const text = attribute(1, cstring('no such thing'))
    const failed = (flags: number, repeated: Uint8Array) =>
      parseError({ type: 2, flags, sequence: 1, body: concat([uint32(-19 >>> 0), repeated, text]) })
    expect(failed(0x200, request)).toEqual({ errno: 19, reason: 'no such thing' })
    expect(failed(0x300, request.subarray(0, 16))).toEqual({ errno: 19, reason: 'no such thing' })
    expect(failed(0, request)).toEqual({ errno: 19, reason: '' })
  })

  test('a number that is absent is 0, one that is too short is an error', () => {
    expect(numberOf(new Map(), 1)).toBe(0)
    expect(() => numberOf(new Map([[1, new Uint8Array(3)]]), 1)).toThrow(NetlinkFormatError)
  })

  test('C strings', () => {
    expect(fromCstring(cstring('eth0'))).toBe('eth0')
    expect(fromCstring(new TextEncoder().encode('eth0'))).toBe('eth0')
  })
})

/** A kernel that answers each request with the next of `answers`, given the request's sequence number. */
function kernel(...answers: ((sequence: number) => Uint8Array)[]) {
  let sequence = 0
  return new NetlinkClient({
    send: (bytes) => {
      sequence = parseMessages(bytes)[0]!.sequence
    },
    receive: () => {
      const next = answers.shift()
      if (next === undefined) throw new Error('nothing more')
      return next(sequence)
    },
  })
}

const answer =
  (type: number, body: Uint8Array, flags = 0) =>
  (sequence: number) =>
    encodeMessage({ type, flags, sequence, body })
const acknowledge = (errno: number) =>
  answer(messageType.error, concat([uint32(-errno >>> 0), new Uint8Array(16)]))
const done = answer(messageType.done, uint32(0))
const entry = (value: number, flags = 0) => answer(16, uint32(value), flags)

describe('the client', () => {
  test('a change is done when the kernel says so, and a refusal has its errno', () => {
    kernel(acknowledge(0)).change('x', 19, new Uint8Array(16))
    expect(() => kernel(acknowledge(16)).change('rename', 19, new Uint8Array(16))).toThrow(
      expect.objectContaining({ errno: 'EBUSY', message: 'rename: EBUSY' }),
    )
  })

  test('answers to an earlier request are passed over', () => {
    const old = (sequence: number) => entry(7)(sequence - 1)
    expect(kernel(old, entry(1), done).dump('x', 18, new Uint8Array(0))).toEqual([uint32(1)])
  })

  test('a dump that was overtaken by a change is made anew', () => {
    const client = kernel(entry(1, flag.interrupted), done, entry(2), done)
    expect(client.dump('x', 18, new Uint8Array(0))).toEqual([uint32(2)])
  })

  test('a dump without end is given up', () => {
    const many = (sequence: number) => concat(Array.from({ length: 1000 }, () => entry(1)(sequence)))
    const client = kernel(...new Array(20).fill(many))
    expect(() => client.dump('list', 18, new Uint8Array(0))).toThrow(NetlinkFormatError)
  })

  test.each([
    ['addresses', listAddresses, 20, 8],
    ['routes', listRoutes, 24, 12],
  ] as const)(
    '%s of other protocols than IP are passed over, whatever they look like',
    (_, list, type, size) => {
      const phonet = structure(size, (to) => to.setUint8(0, 35))
      const ip = structure(size, (to) => {
        to.setUint8(0, 2)
        // The main table.
        if (type === 24) {
          to.setUint8(4, 254)
          to.setUint8(7, 1)
        }
      })
      const own = concat([ip, attribute(2, Uint8Array.of(10, 0, 0, 1)), attribute(4, uint32(3))])
      const others = [
        phonet,
        concat([phonet, attribute(2, Uint8Array.of(64))]),
        concat([phonet, uint32(0xffff)]),
      ]
      const answers = [...others, own].map((body) => answer(type, body))
      expect(list(kernel(...answers, done))).toHaveLength(1)
    },
  )

  test('a dump that is refused has its errno', () => {
    expect(() => kernel(acknowledge(1)).dump('list', 18, new Uint8Array(0))).toThrow(NetlinkError)
    // As the kernel tells it that has begun: here to list sockets of a protocol that it does not know.
    const unknown = answer(messageType.done, uint32(-2 >>> 0))
    for (const before of [[], [entry(1)]])
      expect(() => kernel(...before, unknown).dump('list', 20, new Uint8Array(0))).toThrow('list: ENOENT')
  })
})
