import { expect, test } from 'bun:test'
import { closeSync } from 'node:fs'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { sendFds } from '../../linux/sockets/send-fds.ts'
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

const header = (bytes: number) => Buffer.from(new Uint32Array([bytes]).buffer)

test.each([
  [3, 'it came with too many descriptors'],
  [4, undefined],
])('of a message that comes with two descriptors twice, where it may have %d', async (maxFds, refusal) => {
  const [ours, theirs] = socketPair()
  const nothingStaysOpen = watchOpenFiles()
  sendFds(theirs, header(2), [ours, theirs])
  sendFds(theirs, Buffer.from('{}'), [ours, theirs])
  const receive = () => receiveFrame(ours, { ...limits, maxFds })
  if (refusal === undefined) for (const fd of receive()?.fds ?? []) closeSync(fd)
  else
    expect(receive).toThrow(expect.objectContaining({ code: 'SERVICE_REQUEST', fields: { reason: refusal } }))
  await nothingStaysOpen()
  for (const fd of [ours, theirs]) closeSync(fd)
})

test('a message that ends in the middle leaves none of its descriptors open', async () => {
  const [ours, theirs] = socketPair()
  const nothingStaysOpen = watchOpenFiles()
  sendFds(theirs, header(2), [ours])
  closeSync(theirs)
  expect(receiveFrame(ours, { ...limits, maxFds: 1 })).toBeUndefined()
  await nothingStaysOpen()
  closeSync(ours)
})

test.each([
  [300, 'it took more than 0.3 s'],
  [10_000, undefined],
])('a message that comes byte by byte may take %d ms and no more', async (timeoutMs, refusal) => {
  const [ours, theirs] = socketPair()
  sendFds(theirs, header(10), [])
  const words = ['sh', '-c', 'for byte in 1 2 3 4 5 6 7 8 9 0; do printf 1; sleep 0.1; done']
  const sender = Bun.spawn(words, { stdout: theirs, stderr: 'inherit' })
  closeSync(theirs)
  const receive = () => receiveFrame(ours, { ...limits, timeoutMs })
  if (refusal === undefined) expect(receive()?.text).toBe('1234567890'.replace(/./g, '1'))
  else
    expect(receive).toThrow(expect.objectContaining({ code: 'SERVICE_REQUEST', fields: { reason: refusal } }))
  closeSync(ours)
  await sender.exited
})
