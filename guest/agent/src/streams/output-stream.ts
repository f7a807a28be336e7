/**
 * What a container process writes. No more is taken than the host asks for, when it asks, and a full pipe stops the process, which is the
 * whole flow control.
 */
import { clearTimeout, setTimeout, type Timer } from 'os'
import { close, setNonblocking } from 'syscalls'
import type { Lent } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { type Buffered, createOutputSource } from './output-source.ts'
import { createQueue } from './queue.ts'
import type { BufferPlace } from './stream-buffer.ts'

/** Output that is still in the pipe this long after the process ended is given up once the pipe is empty (Kata's). */
const drainMilliseconds = 500
/**
 * And that is read of it then, bytes: more than a pipe or a terminal holds of the process itself, so that a child that
 * writes without end does not keep its parent's end back.
 */
const mostAfterEnd = 2 * 1024 * 1024

const nothing = new Uint8Array(0)

/** The part of a ttrpc call that a waiting read cares for. */
export interface Cancellable {
  onCancel(handler: () => void): void
}

/** Nothing has come for as long as the host lends its place. */
export interface Idle {
  readonly idle: true
}

export type Output = Uint8Array | Lent | Buffered | Idle

export interface OutputStream {
  /**
   * At most `size` bytes, as soon as there are any; empty at the end. Takes nothing once the call is cancelled. Many bytes are lent, and
   * the next read waits for them to be given back: it has them again if they were not sent. Or they are put in `place`.
   */
  read(size: number, call: Cancellable, place?: BufferPlace): Promise<Output>
  /** To be called when the process ended: somebody else may hold the pipe open for ever. */
  processEnded(): void
  close(): void
}

/**
 * Takes over `fd`, the read end of a pipe or the master of a terminal. And the other side of that terminal (`peer`), until the process has ended:
 * while no process has it open, which may be for a moment, the kernel has no input, no output and nothing to wait for on the master.
 */
export function createOutputStream(
  loop: Loop,
  fd: number,
  kind: 'pipe' | 'terminal',
  peer?: number,
): OutputStream {
  setNonblocking(fd)
  const inTurn = createQueue()
  const source = createOutputSource(loop, fd, kind)
  let open = true
  let drained = false
  let left = Number.POSITIVE_INFINITY
  let timer: Timer | undefined
  let wake = () => {}
  let held = peer

  const letPeerGo = (): void => {
    if (held !== undefined) close(held)
    held = undefined
  }

  const shut = (): void => {
    if (!open) return
    open = false
    letPeerGo()
    loop.forget(fd)
    source.close()
    if (timer !== undefined) clearTimeout(timer)
    wake()
  }

  /** The host does not read on after an error: the process learns of it by its next write. */
  const fail = (error: unknown): never => {
    shut()
    throw error
  }

  /** Waits until there may be something. Whether nothing was told of for so long, unless that is 0. */
  const readable = async (idleMs = 0): Promise<boolean> => {
    let isLate = false
    const tell = () => {
      isLate = true
      wake()
    }
    const late = idleMs > 0 ? setTimeout(tell, idleMs) : undefined
    await new Promise<void>((resolve) => {
      wake = resolve
      loop.once(fd, events.in, () => resolve())
    })
    if (late !== undefined) clearTimeout(late)
    return isLate
  }

  const next = async (size: number, call: { cancelled: boolean }, place?: BufferPlace): Promise<Output> => {
    await source.settled()
    let isLate = false
    while (open && !call.cancelled) {
      const kept = source.takeKept(size)
      if (kept !== undefined) return kept
      if (place !== undefined && left === Number.POSITIVE_INFINITY && source.isMuch()) {
        const moved = await source.move(place)
        if (moved !== undefined) return moved
        continue
      }
      const most = Math.min(size, left)
      const chunk = most > 0 ? source.take(most) : nothing
      const length = chunk === null ? 0 : lengthOf(chunk)
      if (chunk !== null && length > 0) {
        left -= length
        return chunk
      }
      if (chunk !== null || drained) shut()
      else if (isLate) return { idle: true }
      else isLate = await readable(place?.idleMs)
    }
    return nothing
  }

  return {
    read(size, call, place) {
      const state = { cancelled: false }
      call.onCancel(() => {
        state.cancelled = true
        wake()
      })
      return inTurn(() => next(size, state, place).catch(fail))
    },
    processEnded() {
      if (!open || timer !== undefined) return
      letPeerGo()
      left = mostAfterEnd
      timer = setTimeout(() => {
        drained = true
        wake()
      }, drainMilliseconds)
    },
    close: shut,
  }
}

const lengthOf = (chunk: Uint8Array | Lent): number => ('giveBack' in chunk ? chunk.bytes : chunk).length
