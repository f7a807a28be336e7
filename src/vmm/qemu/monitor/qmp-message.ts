/** The messages of QEMU's machine protocol (QEMU's docs/interop/qmp-spec), read from a peer that may be hostile. */
import { asNumber, asObject, asText, parseJson, protocolError } from '../../monitor/answers.ts'
import type { ProgramVersion } from '../../program.ts'

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: ProgramVersion }
  | { readonly kind: 'return'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly reason: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> }

/** Longest line that is taken, bytes: the longest answers that we ask for have a few thousand. */
export const maxLineBytes = 256 * 1024

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

function parseVersion(value: unknown): ProgramVersion {
  const { qemu } = asObject(asObject(value, 'QMP').version, 'version')
  const { major, minor, micro } = asObject(qemu, 'qemu')
  return {
    major: asNumber(major, 'major'),
    minor: asNumber(minor, 'minor'),
    micro: asNumber(micro, 'micro'),
  }
}
