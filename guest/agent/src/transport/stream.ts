/** A ttrpc transport over a descriptor: a virtio-serial port or a socket. */
import { read, setNonblocking, write } from 'syscalls'
import type { Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'

const readSize = 128 * 1024

interface Waiting {
  readonly bytes: Uint8Array
  offset: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** `release` is called once, when the stream is over and `fd` is not watched any more. */
export function createStreamTransport(loop: Loop, fd: number, release: () => void): Transport {
  setNonblocking(fd)
  const waiting: Waiting[] = []
  let receive: ((chunk: Uint8Array) => void) | undefined
  let onClose: ((error?: Error) => void) | undefined
  let over: { error: Error | undefined } | undefined

  const end = (error?: Error): void => {
    if (over !== undefined) return
    over = { error }
    loop.forget(fd)
    for (const { reject } of waiting.splice(0)) reject(error ?? new Error('the stream is closed'))
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
    const chunk = read(fd, readSize)
    if (chunk === null) return
    if (chunk.length === 0) end()
    else receive?.(chunk)
  }

  const writeSome = (): void => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const count = write(fd, first.bytes, first.offset)
      if (count === 0) return
      first.offset += count
      if (first.offset < first.bytes.length) continue
      waiting.shift()
      first.resolve()
    }
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
    write(bytes) {
      if (over !== undefined) return Promise.reject(over.error ?? new Error('the stream is closed'))
      return new Promise((resolve, reject) => {
        waiting.push({ bytes, offset: 0, resolve, reject })
        if (waiting.length > 1) return
        guarded(writeSome)
        if (waiting.length > 0) watch()
      })
    },
    onData(handler) {
      receive = handler
      watch()
    },
    onClose(handler) {
      onClose = handler
      if (over !== undefined) handler(over.error)
    },
    close: end,
  }
}
