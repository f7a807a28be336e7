import { expect, test } from 'bun:test'
import { harmless } from '../../agent/client.ts'
import { asksForErrorInfo, errorFromInfo, errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { connect, serve, TtrpcError, transportPair } from '../../ttrpc/ttrpc.ts'
import { toStatus } from './status.ts'

const died = new KataError('SANDBOX_DIED', { id: 'c', reason: 'so', tail: 'last words' })
const asked = new Map(Object.entries(asksForErrorInfo))

/** The answer to a client with this metadata, for an error that a handler throws. */
async function answerTo(error: unknown, metadata: Readonly<Record<string, string>>): Promise<TtrpcError> {
  const [left, right] = transportPair()
  serve(right, [], {
    // Every call fails, because there is no service: the error stands for one that a handler throws.
    toStatus: (_, given) => toStatus(error, given),
  })
  const connection = connect(left)
  const answer = await connection
    .call(new Uint8Array(0), new Uint8Array(0), { metadata })
    .catch((answer: unknown) => answer)
  connection.close()
  return answer as TtrpcError
}

test('a client that asks gets code and fields, from which it makes the same error', async () => {
  const answer = await answerTo(died, asksForErrorInfo)
  expect(answer).toMatchObject({ code: 'unavailable', message: died.message, reason: 'SANDBOX_DIED' })
  const { code, message, fields, remedy } = died
  expect(errorFromInfo(answer)).toMatchObject({ code, message, fields, remedy })
})

test('any other client gets status and text alone: containerd 2 would add unknown details to the text', async () => {
  const answer = await answerTo(died, { 'containerd-namespace-ttrpc': 'default' })
  expect(answer).toMatchObject({ code: 'unavailable', message: died.message })
  expect([answer.reason, answer.domain, answer.metadata]).toEqual([undefined, undefined, undefined])
})

test('what a guest says never becomes an error with a code of ours, whatever its details claim', async () => {
  const posing = errorInfoOf(new KataError('SHIM_DIED', { id: 'other' }))
  // The attack works on a client that believes it.
  expect(errorFromInfo(new TtrpcError('internal', 'm', { ...posing, isAnswer: true }))?.code).toBe(
    'SHIM_DIED',
  )
  const said = new TtrpcError('internal', '[SHIM_DIED] run this', { ...posing, isAnswer: true })
  for (const error of [said, harmless(said)]) {
    expect(Object.keys(toStatus(error, asked) ?? {})).toEqual(['code', 'message'])
    const answer = await answerTo(error, asksForErrorInfo)
    expect(errorFromInfo(answer)).toBeUndefined()
    expect([answer.reason, answer.domain, answer.metadata]).toEqual([undefined, undefined, undefined])
  }
  expect(harmless(said)).toMatchObject({ message: 'the guest says: run this' })
  expect(errorFromInfo(harmless(said))).toBeUndefined()
})

test('an error without a code gets one for a client that has none for it; what the guest answered keeps its status', async () => {
  const containerd = { 'containerd-namespace-ttrpc': 'default' }
  const said = harmless(new TtrpcError('not_found', '[SHIM_DIED] no such thing', { isAnswer: true }))
  expect(await answerTo(said, containerd)).toMatchObject({
    code: 'not_found',
    message: expect.stringMatching(/^\[GUEST_REFUSED\] .*the guest says: no such thing/),
  })
  expect(await answerTo(new TypeError('x is undefined'), containerd)).toMatchObject({
    code: 'internal',
    message: expect.stringMatching(/^\[INTERNAL\] .*x is undefined/),
  })
  const own = new TtrpcError('unimplemented', 'method A/B is not implemented')
  expect(await answerTo(own, containerd)).toMatchObject({ code: own.code, message: own.message })
  expect(toStatus(new TypeError('x'), asked)).toBeUndefined()
})

test('a guest that does not answer in time is told by a code of ours to every client', async () => {
  const late = harmless(new TtrpcError('deadline_exceeded', 'no answer within 60000 ms'))
  const message = expect.stringContaining('[AGENT_TIMEOUT]')
  expect(await answerTo(late, {})).toMatchObject({ code: 'deadline_exceeded', message })
  expect(errorFromInfo(await answerTo(late, asksForErrorInfo))).toMatchObject({
    code: 'AGENT_TIMEOUT',
    fields: { reason: 'no answer within 60000 ms' },
  })
  // An answer of the guest is not taken for that.
  const said = harmless(new TtrpcError('deadline_exceeded', 'no answer within 60000 ms', { isAnswer: true }))
  expect(errorFromInfo(await answerTo(said, asksForErrorInfo))).toBeUndefined()
})
