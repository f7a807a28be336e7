/** Replies of a guest that says whatever it likes: each is a message or an error, at once, and never more than it sent. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { MalformedMessage, wireType } from '../protobuf/wire-reader.ts'
import { WireWriter } from '../protobuf/wire-writer.ts'
import { AgentServiceDefinition } from './generated/agent.ts'
import { HealthDefinition } from './generated/health.ts'

interface Codec {
  decode(bytes: Uint8Array): unknown
  encode(message: never): { finish(): Uint8Array }
}
const replies = [
  ...Object.values(AgentServiceDefinition.methods),
  ...Object.values(HealthDefinition.methods),
].map(({ name, responseType }): [string, Codec] => [name, responseType as unknown as Codec])

/** Bytes that look like a message: fields of any number and kind, with lengths that may lie. */
const fields = fc.array(
  fc.record({
    number: fc.integer({ min: 1, max: 40 }),
    wire: fc.constantFrom(0, 1, 2, 5),
    value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    bytes: fc.uint8Array({ maxLength: 40 }),
    lie: fc.option(fc.integer({ min: 0, max: 0x7fff_ffff })),
  }),
  { maxLength: 12 },
)
const message = fields.map((list) => {
  const writer = new WireWriter()
  for (const { number, wire, value, bytes, lie } of list) {
    writer.tag(number, wire)
    if (wire === wireType.varint) writer.varint64(value)
    else if (wire === wireType.fixed64) writer.raw(bytes.subarray(0, 8))
    else if (wire === wireType.fixed32) writer.raw(bytes.subarray(0, 4))
    else if (lie === null) writer.bytes(bytes)
    else {
      writer.varint(lie)
      writer.raw(bytes)
    }
  }
  return writer.finish()
})

test.each(replies)('%s', (_, codec) => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), message), (bytes) => {
      let decoded: unknown
      try {
        decoded = codec.decode(bytes)
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw error
        return
      }
      // What was understood can be said again, and is not larger than some small multiple of what came.
      const again = codec.encode(decoded as never).finish()
      expect(again.length).toBeLessThan(64 + 16 * bytes.length)
    }),
    { numRuns: 200 },
  )
})
