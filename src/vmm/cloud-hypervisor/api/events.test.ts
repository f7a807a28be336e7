import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { KataError } from '../../../errors.ts'
import { EventReader } from './events.ts'

const encode = (event: object) => `${JSON.stringify(event, null, 2)}\n\n`
const event = fc.record({ source: fc.constantFrom('vm', 'vmm'), event: fc.stringMatching(/^[a-z]+$/) })

test('events survive any cutting of the stream', () => {
  fc.assert(
    fc.property(fc.array(event), fc.integer({ min: 1, max: 60 }), (events, size) => {
      const reader = new EventReader()
      const more = { timestamp: { secs: 1, nanos: 2 }, properties: { id: 'x' } }
      const bytes = Buffer.from(events.map((one) => encode({ ...more, ...one })).join(''))
      const seen = []
      for (let at = 0; at < bytes.length; at += size) seen.push(...reader.push(bytes.subarray(at, at + size)))
      expect(seen).toEqual(events)
    }),
  )
})

test('whatever else comes is a protocol error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        new EventReader().push(Buffer.from(`${text}\n\n`))
      } catch (error) {
        expect(error instanceof KataError && error.code === 'VMM_PROTOCOL').toBe(true)
      }
    }),
  )
  expect(() => new EventReader().push(Buffer.alloc(20_000, 'x'))).toThrow('an event of more than')
  expect(() => new EventReader().push(Buffer.from('{"source":"vm"}\n\n'))).toThrow('event is not text')
})
