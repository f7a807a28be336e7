/** Replies of a guest that says whatever it likes: each is a message or an error, at once, and never more than it sent. */
import { expect, test } from 'bun:test'
import { BinaryWriter } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
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

/** What the generated code throws for bytes that are no message. */
const isRefusal = (error: unknown) =>
  error instanceof Error &&
  /premature EOF|invalid|cant skip|illegal|RangeError|out of range/i.test(String(error))

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
  const writer = new BinaryWriter()
  for (const { number, wire, value, bytes, lie } of list) {
    writer.tag(number, wire)
    if (wire === 0) writer.uint64(value)
    else if (wire === 1) writer.fixed64(value)
    else if (wire === 5) writer.fixed32(Number(value & 0xffff_ffffn))
    else if (lie === null) writer.bytes(bytes)
    else writer.uint32(lie).raw(bytes)
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
        if (!isRefusal(error)) throw error
        return
      }
      // What was understood can be said again, and is not larger than some small multiple of what came.
      const again = codec.encode(decoded as never).finish()
      expect(again.length).toBeLessThan(64 + 16 * bytes.length)
    }),
    { numRuns: 200 },
  )
})
