/** A ttrpc transport over a descriptor: a virtio-serial port or a socket. */
import { read, readInto, setNonblocking, write } from 'syscalls'
import type { Room, Tail, Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { Staging } from './staging.ts'

/** Most bytes that are read before it is known what they are. The rest of a long frame goes where it belongs. */
const readSize = 16 * 1024
/** As much of what came along with the bytes that ended a stream is lost with it. */
const mostLost = 128 * 1024

interface Waiting {
  readonly bytes: Uint8Array
  offset: number
  /** What follows `bytes`, and how much of it is still where it was. */
  readonly tail: Tail | undefined
  left: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** `release` is called once, when the stream is over and `fd` is not watched any more. */
export function createStreamTransport(loop: Loop, fd: number, release: () => void): Transport {
  setNonblocking(fd)
  const waiting: Waiting[] = []
  const staging = new Staging(fd)
  let receive: ((chunk: Uint8Array) => void) | undefined
  let room: Room | undefined
  let onClose: ((error?: Error) => void) | undefined
  let over: { error: Error | undefined } | undefined

  const end = (error?: Error): void => {
    if (over !== undefined) return
    over = { error }
    loop.forget(fd)
    for (const { tail, reject } of waiting.splice(0)) {
      tail?.over()
      reject(error ?? new Error('the stream is closed'))
    }
    staging.close()
    if (error !== undefined) loseRest(fd)
    onClose?.(error)
    release()
  }

  /** Runs what touches the descriptor: its errors end the stream, not the agent. */
  const guarded = (action: () => void): void => {
    try {
      action()
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  const receiveSome = (): void => {
    const place = room?.next()
    if (place !== undefined) {
      const count = readInto(fd, place)
      if (count === 0) end()
      else if (count !== null) room?.filled(count)
      return
    }
    const chunk = read(fd, readSize)
    if (chunk === null) return
    if (chunk.length === 0) end()
    else receive?.(chunk)
  }

  const writeSome = (): void => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (!writeWhole(first)) return
      waiting.shift()
      first.tail?.over()
      first.resolve()
    }
  }

  /** Whether all of it went. */
  const writeWhole = (entry: Waiting): boolean => {
    while (entry.offset < entry.bytes.length) {
      const count = write(fd, entry.bytes, entry.offset)
      if (count === 0) return false
      entry.offset += count
    }
    if (entry.tail === undefined) return true
    const { left, isBlocked } = staging.move(entry.tail.fd, entry.left)
    entry.left = left
    return !isBlocked
  }

  const enqueue = (bytes: Uint8Array, tail?: Tail): Promise<void> => {
    if (over !== undefined) {
      tail?.over()
      return Promise.reject(over.error ?? new Error('the stream is closed'))
    }
    return new Promise((resolve, reject) => {
      waiting.push({ bytes, offset: 0, tail, left: tail?.bytes ?? 0, resolve, reject })
      if (waiting.length > 1) return
      guarded(writeSome)
      if (waiting.length > 0) watch()
    })
  }

  const watch = (): void => {
    if (over !== undefined || receive === undefined) return
    const mask = waiting.length > 0 ? events.in | events.out : events.in
    loop.watch(fd, mask, (seen) =>
      guarded(() => {
        if (waiting.length > 0 && seen & events.out) {
          writeSome()
          if (waiting.length === 0) watch()
        }
        if (seen & (events.in | events.hangUp | events.error)) receiveSome()
      }),
    )
  }

  return {
    write: (bytes) => enqueue(bytes),
    writeTailed: enqueue,
    onData(handler, itsRoom) {
      receive = handler
      room = itsRoom
      watch()
    },
    onClose(handler) {
      onClose = handler
      if (over !== undefined) handler(over.error)
    },
    close: end,
  }
}

/** Else it would be the beginning of the next connection over a port. */
function loseRest(fd: number): void {
  try {
    read(fd, mostLost)
  } catch {
    // The stream failed, and has no rest.
  }
}
