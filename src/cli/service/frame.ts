/**
 * Messages between a command line and the service: a length of four bytes and so many bytes of JSON, with descriptors attached to the
 * first of them. Blocking, for processes that have nothing else to do meanwhile.
 */
import { closeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { lastErrno, libc, ptr, SyscallError } from '../../linux/libc.ts'
import { receiveFds, setTimeouts } from '../../linux/sockets/receive-fds.ts'
import { sendFds } from '../../linux/sockets/send-fds.ts'
import { realClock } from '../../time.ts'

export interface Frame {
  readonly text: string
  /** The caller closes them. */
  readonly fds: readonly number[]
}

export interface FrameLimits {
  readonly maxBytes: number
  readonly maxFds: number
  /** How long the whole message may take, milliseconds. */
  readonly timeoutMs: number
}

/** What the kernel says of a peer that has closed; ECONNRESET where it had not read all. */
export const isGone = (error: unknown): boolean =>
  error instanceof SyscallError && (error.errno === 'EPIPE' || error.errno === 'ECONNRESET')

const headerBytes = 4
const MSG_NOSIGNAL = 0x4000

function encodeFrame(message: object): Uint8Array {
  const body = Buffer.from(JSON.stringify(message))
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32LE(body.length)
  return Buffer.concat([header, body])
}

/** Undefined when the peer has closed its end before the message. @throws KataError SERVICE_REQUEST; SyscallError. */
export function receiveFrame(socket: number, limits: FrameLimits): Frame | undefined {
  const fds: number[] = []
  try {
    const text = receiveText(socket, limits, fds)
    if (text !== undefined) return { text, fds }
  } catch (error) {
    for (const fd of fds) closeSync(fd)
    throw error
  }
  for (const fd of fds) closeSync(fd)
  return undefined
}

function receiveText(
  socket: number,
  { maxBytes, maxFds, timeoutMs }: FrameLimits,
  fds: number[],
): string | undefined {
  const endsAt = realClock.now() + timeoutMs
  const take = (bytes: number): Buffer | undefined => {
    const all = Buffer.alloc(bytes)
    for (let at = 0; at < bytes; ) {
      const left = endsAt - realClock.now()
      if (left <= 0) throw refuse(`it took more than ${timeoutMs / 1000} s`)
      setTimeouts(socket, left)
      const got = receive(socket, bytes - at, maxFds - fds.length, timeoutMs)
      fds.push(...got.fds)
      if (got.bytes.length === 0) return undefined
      all.set(got.bytes, at)
      at += got.bytes.length
    }
    return all
  }
  const size = take(headerBytes)?.readUInt32LE()
  if (size === undefined) return undefined
  if (size > maxBytes) throw refuse(`it has ${size} bytes, and ${maxBytes} are the limit`)
  return take(size)?.toString()
}

function receive(socket: number, bytes: number, fds: number, timeoutMs: number) {
  try {
    return receiveFds(socket, bytes, fds)
  } catch (cause) {
    const errno = cause instanceof SyscallError ? cause.errno : ''
    // The peer is gone, and has left what we sent unread.
    if (errno === 'ECONNRESET') return { bytes: new Uint8Array(0), fds: [] }
    if (errno === 'EAGAIN') throw refuse(`it took more than ${timeoutMs / 1000} s`, cause)
    if (errno === 'EMSGSIZE') throw refuse('it came with too many descriptors', cause)
    throw cause
  }
}

function refuse(reason: string, cause?: unknown): KataError {
  return new KataError('SERVICE_REQUEST', { reason }, { cause })
}

/** Sends a message, waiting while the peer does not read. @throws SyscallError: EPIPE when it is gone, EAGAIN after `timeoutMs`. */
export function sendFrame(
  socket: number,
  message: object,
  { fds = [], timeoutMs }: { readonly fds?: readonly number[]; readonly timeoutMs: number },
): void {
  const bytes = encodeFrame(message)
  setTimeouts(socket, timeoutMs)
  // The first bytes with their descriptors do not wait: only a socket that is full at once would refuse them.
  let at = fds.length === 0 ? 0 : sendFds(socket, bytes, fds)
  if (fds.length > 0 && at === 0) throw new SyscallError('sendmsg', 'EAGAIN')
  while (at < bytes.length) {
    const rest = bytes.subarray(at)
    const sent = Number(libc.send(socket, ptr(rest), BigInt(rest.length), MSG_NOSIGNAL))
    if (sent !== -1) at += sent
    else if (lastErrno() !== 'EINTR') throw new SyscallError('send', lastErrno())
  }
}
