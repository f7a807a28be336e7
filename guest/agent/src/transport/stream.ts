/** A ttrpc transport over a descriptor: a virtio-serial port or a socket. */
import { read, readInto, setNonblocking } from 'syscalls'
import type { Room, Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { WriteQueue } from './write-queue.ts'

/** Most bytes that are read before it is known what they are. The rest of a long frame goes where it belongs. */
const readSize = 16 * 1024
/** As much of what came along with the bytes that ended a stream is lost with it. */
const mostLost = 128 * 1024

/** `release` is called once, when the stream is over and `fd` is not watched any more. */
export function createStreamTransport(loop: Loop, fd: number, release: () => void): Transport {
  setNonblocking(fd)
  const queue = new WriteQueue(fd)
  let receive: ((chunk: Uint8Array) => void) | undefined
  let room: Room | undefined
  let onClose: ((error?: Error) => void) | undefined
  let over: { error: Error | undefined } | undefined

  const end = (error?: Error): void => {
    if (over !== undefined) return
    over = { error }
    loop.forget(fd)
    queue.close(error ?? new Error('the stream is closed'))
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
      const count = readInto(fd, place, 1)
      if (count === 0) end()
      else if (count !== null) room?.filled(count)
      return
    }
    const chunk = read(fd, readSize)
    if (chunk === null) return
    if (chunk.length === 0) end()
    else receive?.(chunk)
  }

  const send = (bytes: Uint8Array): Promise<void> => {
    const sent = queue.add(bytes)
    // Others wait for room already.
    if (queue.length !== 1) return sent
    guarded(() => queue.flush())
    if (queue.length > 0) watch()
    return sent
  }

  const watch = (): void => {
    if (over !== undefined || receive === undefined) return
    const mask = queue.length > 0 ? events.in | events.out : events.in
    loop.watch(fd, mask, (seen) =>
      guarded(() => {
        if (queue.length > 0 && seen & events.out) {
          queue.flush()
          if (queue.length === 0) watch()
        }
        if (seen & (events.in | events.hangUp | events.error)) receiveSome()
      }),
    )
  }

  return {
    write: send,
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
