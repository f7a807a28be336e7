/**
 * Readiness of descriptors. One epoll descriptor is all that QuickJS' own loop sees: its select() could not watch
 * descriptors from 1024 on, and would look at one ready descriptor a round.
 */
import { setReadHandler } from 'os'
import { epollControl, epollCreate, epollWait } from 'syscalls'
import { sayError } from '../system/console.ts'

/** Events of epoll(7), from <sys/epoll.h>. */
export const events = {
  in: 0x001,
  priority: 0x002,
  out: 0x004,
  error: 0x008,
  hangUp: 0x010,
  oneShot: 0x4000_0000,
  edge: 0x8000_0000,
} as const

const operation = { add: 1, remove: 2, modify: 3 } as const

type Handler = (events: number) => void

export interface Loop {
  /** Calls `handler` whenever one of `mask` (or an error or hang-up) holds, until {@link Loop.forget}. */
  watch(fd: number, mask: number, handler: Handler): void
  /** Calls `handler` the next time that one of `mask` (or an error or hang-up) holds, and then no more. */
  once(fd: number, mask: number, handler: Handler): void
  /** Must be called before a watched descriptor is closed. Harmless for others. */
  forget(fd: number): void
}

export function createLoop(): Loop {
  const epoll = epollCreate()
  const handlers = new Map<number, Handler>()
  const known = new Set<number>()

  const register = (fd: number, mask: number, handler: Handler): void => {
    epollControl(epoll, known.has(fd) ? operation.modify : operation.add, fd, mask)
    known.add(fd)
    handlers.set(fd, handler)
  }

  setReadHandler(epoll, () => {
    const ready = epollWait(epoll)
    for (let index = 0; index < ready.length; index += 2) {
      const fd = ready[index]!
      try {
        handlers.get(fd)?.(ready[index + 1]!)
      } catch (error) {
        // The kernel tells a one-shot event once: the other handlers would wait for theirs for ever.
        sayError(`descriptor ${fd} is ready, and its handler failed`, error)
      }
    }
  })

  return {
    watch: register,
    once(fd, mask, handler) {
      register(fd, mask | events.oneShot, (seen) => {
        handlers.delete(fd)
        handler(seen)
      })
    },
    forget(fd) {
      if (known.delete(fd)) epollControl(epoll, operation.remove, fd, 0)
      handlers.delete(fd)
    },
  }
}
