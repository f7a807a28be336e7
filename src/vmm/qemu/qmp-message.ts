/** The messages of QEMU's machine protocol (QEMU's docs/interop/qmp-spec), read from a peer that may be hostile. */
import { KataError } from '../../errors.ts'

export interface QemuVersion {
  readonly major: number
  readonly minor: number
  readonly micro: number
}

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: QemuVersion }
  | { readonly kind: 'return'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly reason: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> }

/** Longest line that is taken, bytes: the longest answers that we ask for have a few thousand. */
export const maxLineBytes = 256 * 1024
/** Longest text of an error or name that is passed on. */
const maxText = 500

/** @throws KataError VMM_PROTOCOL when the line is none of the four messages. */
export function parseQmpMessage(line: string): QmpMessage {
  const message = asObject(parseJson(line), 'a message')
  if ('QMP' in message) return { kind: 'greeting', version: parseVersion(message.QMP) }
  if ('event' in message) {
    const data = message.data === undefined ? {} : asObject(message.data, 'event data')
    return { kind: 'event', name: asText(message.event, 'event'), data }
  }
  const id = asNumber(message.id, 'id')
  if ('return' in message) return { kind: 'return', id, value: message.return }
  if ('error' in message) {
    const { desc } = asObject(message.error, 'error')
    return { kind: 'error', id, reason: asText(desc, 'desc') }
  }
  throw protocolError('a message without greeting, event, return or error')
}

export function protocolError(reason: string): KataError {
  return new KataError('VMM_PROTOCOL', { reason })
}

/** A field of an answer that must be an object. @throws KataError VMM_PROTOCOL. */
export function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw protocolError(`${name} is not an object`)
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw protocolError('a line that is not JSON')
  }
}

function parseVersion(value: unknown): QemuVersion {
  const { qemu } = asObject(asObject(value, 'QMP').version, 'version')
  const { major, minor, micro } = asObject(qemu, 'qemu')
  return {
    major: asNumber(major, 'major'),
    minor: asNumber(minor, 'minor'),
    micro: asNumber(micro, 'micro'),
  }
}

function asNumber(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw protocolError(`${name} is not a number`)
}

/** Made fit for a log: no control characters, bounded. */
function asText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw protocolError(`${name} is not text`)
  return value.slice(0, maxText).replace(/\p{Cc}/gu, ' ')
}
