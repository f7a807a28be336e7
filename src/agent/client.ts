/** The typed calls of the guest agent, with Kata's time limits. */
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { HealthDefinition } from '../protocol/generated/health.ts'
import { type Client, type ClientConnection, createClient, TtrpcError } from '../ttrpc/ttrpc.ts'

/** `grpc.AgentService`; errors of the guest are TtrpcErrors, a lost connection is KataError AGENT_DIED. */
export type AgentClient = Client<typeof AgentServiceDefinition>
/** `grpc.Health`. */
export type HealthClient = Client<typeof HealthDefinition>

/** Limits in milliseconds. */
export interface CallTimeouts {
  /** Of every call that has no other limit. Kata's default: 60 s. */
  readonly default: number
  /** Of CreateContainer (`create_container_timeout`). Kata's default: 60 s. */
  readonly createContainer: number
}

export const kataTimeouts: CallTimeouts = { default: 60_000, createContainer: 60_000 }
const checkTimeoutMs = 30_000
/** These answer when something happens in the guest, whenever that is. */
const waiting: ReadonlySet<string> = new Set([
  'WaitProcess',
  'ReadStdout',
  'ReadStderr',
  'WriteStdin',
  'GetOOMEvent',
])

/** Both services over one connection. */
export function agentClients(
  connection: Pick<ClientConnection, 'call'>,
  timeouts: CallTimeouts = kataTimeouts,
): { agent: AgentClient; health: HealthClient } {
  const timeoutMs = (method: string) => {
    if (waiting.has(method)) return undefined
    return method === 'CreateContainer' ? timeouts.createContainer : timeouts.default
  }
  return {
    agent: createClient(AgentServiceDefinition, connection, { timeoutMs }),
    health: createClient(HealthDefinition, connection, { timeoutMs: () => checkTimeoutMs }),
  }
}

/** Longest message of a guest's error that is passed on, in characters. */
const maxMessage = 2048

/** A guest's error with its text made harmless for logs and terminals: bounded, and without control characters. */
export function harmless(error: TtrpcError): TtrpcError {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  const message = error.message.slice(0, maxMessage).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
  return new TtrpcError(error.code, message, { cause: error.cause, reason: error.reason })
}
