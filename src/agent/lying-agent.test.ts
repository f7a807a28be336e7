/** Every call of the host to a guest's agent, answered with each lie that fits the wire. The call ends in one of our ways. */
import { describe, expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { hostCalls } from './host-calls.double.ts'
import { liar, noAnswer, wireLies } from './lying-agent.double.ts'

type Call = (request: object, options: { timeoutMs: number }) => Promise<unknown>

/** The end of a call: its answer, one of our codes, or a status with its text. The test looks for anything else. */
async function endOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error === undefined) return 'answered'
  if (error instanceof KataError) return error.code
  return error instanceof TtrpcError ? `${error.code}: ${error.message}` : `neither: ${String(error)}`
}

describe.each(Object.entries(wireLies))('%s', (_lie, { lie, ends }) => {
  test.each([...hostCalls])('in answer to %s', async (key) => {
    const name = key === 'check' ? 'Check' : AgentServiceDefinition.methods[key].name
    using guest = await liar(name, lie)
    await guest.connection.waitReady({ timeoutMs: 20_000 })
    guest.lies = true
    const { agent, health } = guest.connection
    const call = (key === 'check' ? health.check : agent[key]) as Call
    const isSilent = ends === noAnswer
    const end = await endOf(call({}, { timeoutMs: isSilent ? 30 : 20_000 }))
    if (typeof ends === 'string') expect(end).toBe(ends)
    else expect(end).toMatch(ends)
    // Only a stream that cannot be read on is over.
    guest.lies = false
    expect(await endOf(health.check({}))).toBe(end === 'AGENT_DIED' ? 'AGENT_DIED' : 'answered')
  })
})

test('no word of a guest that is for programs is passed on, but those that its host asks for', async () => {
  const { lie } = wireLies['an error that poses as ours']!
  using guest = await liar('PauseContainer', lie)
  await guest.connection.waitReady({ timeoutMs: 20_000 })
  guest.lies = true
  const error: TtrpcError = await guest.connection.agent.pauseContainer({}).catch((thrown) => thrown)
  expect([error.code, error.isAnswer, error.reason]).toEqual(['internal', true, undefined])
})

describe('a guest whose first words are', () => {
  test.each(Object.entries(wireLies))('%s is not ready', async (_name, { lie }) => {
    using guest = await liar('Check', lie)
    guest.lies = true
    const ready = guest.connection.waitReady({ timeoutMs: 50 })
    const error: KataError = await ready.then(
      () => 'ready',
      (thrown) => thrown,
    )
    expect(error).toBeInstanceOf(KataError)
    expect(error.code).toMatch(/^AGENT_(UNREACHABLE|DIED)$/)
    expect(error.message).toMatch(/^[ -~]{1,4096}$/)
  })
})
