import { expect, test } from 'bun:test'
import { closeSync } from 'node:fs'
import { socketPair } from '../../linux/sockets/socket.ts'
import { receiveFrame, sendFrame } from './frame.ts'

const limits = { maxBytes: 1024, maxFds: 0, timeoutMs: 5000 }

test('a peer that goes without having read what it was sent has closed its end, as any that goes', () => {
  const [ours, theirs] = socketPair()
  // The kernel answers ECONNRESET then.
  sendFrame(ours, { never: 'read' }, { timeoutMs: 5000 })
  closeSync(theirs)
  expect(receiveFrame(ours, limits)).toBeUndefined()
  closeSync(ours)
})

test('a message that was sent before that arrives', () => {
  const [ours, theirs] = socketPair()
  sendFrame(theirs, { last: 'word' }, { timeoutMs: 5000 })
  closeSync(theirs)
  expect(receiveFrame(ours, limits)).toEqual({ text: '{"last":"word"}', fds: [] })
  closeSync(ours)
})
