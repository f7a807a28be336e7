import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { encodeResponse } from '../ttrpc/envelope.ts'
import type { Transport } from '../ttrpc/ttrpc.ts'
import { skipStaleBytes } from './resync.ts'

function harness(firstStreamId: number) {
  let push: (chunk: Uint8Array) => void = () => {}
  let closedWith: Error | undefined
  const inner: Transport = {
    write: () => {},
    onData: (receive) => {
      push = receive
    },
    onClose: () => {},
    close: (error) => {
      closedWith = error
    },
  }
  const received: number[] = []
  const dropped: number[] = []
  skipStaleBytes(inner, firstStreamId, (bytes) => dropped.push(bytes)).onData((chunk) =>
    received.push(...chunk),
  )
  return { push: (chunk: Uint8Array) => push(chunk), received, dropped, closed: () => closedWith }
}

test('whatever comes before, and however it is cut, the stream starts at the first answer', () => {
  const firstStreamId = 0x2345671
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 20 }),
      fc.uint8Array({ maxLength: 50 }),
      fc.array(fc.nat({ max: 400 })),
      (stale, call, after, cuts) => {
        const answer = encodeResponse(firstStreamId + 2 * call, { payload: Uint8Array.of(8, 1) })
        const stream = Buffer.concat([stale, answer, after])
        const { push, received, dropped } = harness(firstStreamId)
        let at = 0
        for (const end of [...cuts.map((cut) => cut % stream.length), stream.length].sort((a, b) => a - b)) {
          push(stream.subarray(at, end))
          at = end
        }
        expect(received).toEqual([...answer, ...after])
        expect(dropped).toEqual(stale.length > 0 ? [stale.length] : [])
      },
    ),
  )
})

test('an answer with the id of another connection is stale', () => {
  const { push, received } = harness(1001)
  push(encodeResponse(999, { payload: Uint8Array.of(1) }))
  push(encodeResponse(1000, { payload: Uint8Array.of(1) }))
  expect(received).toEqual([])
  push(encodeResponse(1003, { payload: Uint8Array.of(2) }))
  expect(received.slice(-1)).toEqual([2])
})

test('an answer that is too large for the first one is stale', () => {
  const { push, received } = harness(1001)
  push(encodeResponse(1001, { payload: new Uint8Array(4096) }))
  expect(received).toEqual([])
  const answer = encodeResponse(1001, { payload: new Uint8Array(4000) })
  push(answer)
  expect(received).toEqual([...answer])
})

test('more than a megabyte without an answer ends the stream', () => {
  const { push, closed } = harness(1001)
  for (let sent = 0; sent < 1 << 20; sent += 4096) push(new Uint8Array(4096).fill(2))
  expect(closed()).toBeUndefined()
  push(new Uint8Array(4096).fill(2))
  expect(closed()?.message).toContain('no answer among them')
})
