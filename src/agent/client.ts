/** The typed calls of the guest agent, with Kata's time limits. */

import { KataError } from '../errors.ts'
import { plainText } from '../plain-text.ts'
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { HealthDefinition } from '../protocol/generated/health.ts'
import { type Client, type ClientConnection, createClient, methodPrefix, TtrpcError } from '../ttrpc/ttrpc.ts'
import { answerLimit, withAnswerLimits } from './answer-limits.ts'
import { commandCodes } from './command-error.ts'
import { diskCode } from './disk-error.ts'

/** `grpc.AgentService`; errors of the guest are TtrpcErrors, a lost connection is KataError AGENT_DIED. */
export type AgentClient = Client<typeof AgentServiceDefinition>
/** `grpc.Health`. */
export type HealthClient = Client<typeof HealthDefinition>

/** Kata's time limit for calls without a limit of their own, milliseconds. */
const callTimeoutMs = 60_000
const checkTimeoutMs = 30_000
/** These answer when something happens in the guest, so they have no time limit. */
const waiting: ReadonlySet<string> = new Set([
  'WaitProcess',
  'ReadStdout',
  'ReadStderr',
  'WriteStdin',
  'GetOOMEvent',
])

const events = ['WaitProcess', 'ReadStdout', 'ReadStderr', 'GetOOMEvent'].map((method) =>
  methodPrefix(AgentServiceDefinition.fullName, method),
)

/** Whether a call of this prefix waits for something to happen, and takes nothing until then: it may stay asked while its guest is saved. */
export const waitsForEvent = (prefix: Uint8Array): boolean =>
  events.some((known) => Buffer.compare(known, prefix) === 0)

/** Both services over one connection. */
export function agentClients(connection: Pick<ClientConnection, 'call'>): {
  agent: AgentClient
  health: HealthClient
} {
  const timeoutMs = (method: string) => (waiting.has(method) ? undefined : callTimeoutMs)
  const maxAnswerBytes = (method: string) => answerLimit(method).bytes
  const health = { timeoutMs: () => checkTimeoutMs, maxAnswerBytes }
  return {
    agent: createClient(withAnswerLimits(AgentServiceDefinition), connection, { timeoutMs, maxAnswerBytes }),
    health: createClient(withAnswerLimits(HealthDefinition), connection, health),
  }
}

function late({ code, message: reason }: TtrpcError): TtrpcError {
  const cause = new KataError('AGENT_TIMEOUT', { reason })
  return new TtrpcError(code, cause.message, { cause })
}

const knownReasons = [...commandCodes, diskCode]

/** Longest message of a guest's error that is passed on, characters. */
const maxMessage = 2048

/** The beginning of errors from our catalogue. */
const codes = /^(\s*\[[A-Z0-9_]+\])+\s*/

/**
 * A guest's error with bounded text, safe for logs and terminals. It has no domain and no metadata, so that it cannot pass for an
 * error of ours. That of an answer that did not come in time is caused by KataError AGENT_TIMEOUT.
 */
export function harmless(error: TtrpcError): TtrpcError {
  if (!error.isAnswer) return error.code === 'deadline_exceeded' ? late(error) : error
  const words = plainText(error.message, maxMessage).replace(codes, '')
  const { code, cause, isAnswer } = error
  // Clients of the shim take a reason for a code of ours, so only known reasons stay.
  const reason = knownReasons.find((known) => known === error.reason)
  return new TtrpcError(code, `the guest says: ${words}`, { cause, reason, isAnswer })
}
