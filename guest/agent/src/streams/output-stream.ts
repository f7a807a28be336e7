/**
 * What a container process writes. No more is taken than the host asks for, when it asks, and a full pipe stops the process, which is the
 * whole flow control.
 */
import { clearTimeout, setTimeout, type Timer } from 'os'
import { available, close, read, readInto, setNonblocking } from 'syscalls'
import type { Lent } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { errnoName } from '../system/files.ts'
import { OutputBlock } from './output-block.ts'
import { createQueue } from './queue.ts'
import { type BufferPlace, hostBuffer } from './stream-buffer.ts'

/** What a pipe holds, bytes: the more, the fewer turns does a stream take. The kernel takes no memory for what is not in it. */
export const pipeBytes = 1024 * 1024
/** Most bytes that are taken out of one at a time: what a process writes in the meantime comes along. */
export const mostLent = 2 * pipeBytes
/** Output that is still in the pipe this long after the process ended is given up once the pipe is empty (Kata's). */
const drainMilliseconds = 500
/**
 * And that is read of it then, bytes: more than a pipe or a terminal holds of the process itself, so that a child that
 * writes without end does not keep its parent's end back.
 */
const mostAfterEnd = 2 * 1024 * 1024
/** Most bytes that are read at once into memory of their own. */
const mostRead = 64 * 1024
/** Fewer bytes are a message, which is cheaper as one write. */
const fewestLent = 16 * 1024
/** And fewer go through the channel, which is there sooner than a file of the host. */
const fewestBuffered = 256 * 1024
/** A packet of a pipe (O_DIRECT) has at most so many bytes, and what has no room of it is lost. */
const packetBytes = 4096

const block = new OutputBlock(mostLent)

const nothing = new Uint8Array(0)

/** The part of a ttrpc call that a waiting read cares for. */
export interface Cancellable {
  onCancel(handler: () => void): void
}

/** So many bytes are in the stream buffer. */
export interface Buffered {
  readonly buffered: number
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
  let open = true
  let drained = false
  let left = Number.POSITIVE_INFINITY
  let timer: Timer | undefined
  let wake = () => {}
  let held = peer
  /** Output that was lent, until it is given back. */
  let isBack: Promise<void> | undefined
  /** What came back unsent. */
  let kept = nothing
  /** What comes after that. */
  let broken: unknown

  const letPeerGo = (): void => {
    if (held !== undefined) close(held)
    held = undefined
  }

  const shut = (): void => {
    if (!open) return
    open = false
    letPeerGo()
    loop.forget(fd)
    close(fd)
    if (timer !== undefined) clearTimeout(timer)
    wake()
  }

  /** The host does not read on after an error: the process learns of it by its next write. */
  const fail = (error: unknown): never => {
    shut()
    throw error
  }

  const lend = (bytes: Uint8Array): Lent => {
    let settle: (() => void) | undefined
    isBack = new Promise((resolve) => {
      settle = resolve
    })
    return {
      bytes,
      giveBack(isSent) {
        if (settle === undefined) return
        if (!isSent && open) kept = bytes.slice()
        block.giveBack()
        isBack = undefined
        settle()
        settle = undefined
      },
    }
  }

  const again = (size: number): Uint8Array => {
    const first = kept.subarray(0, size)
    kept = kept.subarray(size)
    return first
  }

  /** What is there now, as of read(2): null when nothing is. */
  const take = (size: number): Uint8Array | Lent | null => {
    const place = block.lend(size)
    if (place === undefined) return read(fd, Math.min(size, mostRead))
    let count: number | null = null
    try {
      count = readInto(fd, place, Math.min(size, packetBytes))
    } finally {
      if (count === null || count < fewestLent) block.giveBack()
    }
    if (count === null) return null
    return count < fewestLent ? place.slice(0, count) : lend(place.subarray(0, count))
  }

  const isMuch = (): boolean => kind === 'pipe' && hostBuffer.works && available(fd) >= fewestBuffered

  /** Undefined when it moved nothing, and {@link kept} may have something. What is in the buffer of a call that was cancelled is lost with its host. */
  const buffer = async (place: BufferPlace): Promise<Buffered | undefined> => {
    const { count, rest, failure } = await hostBuffer.move(loop, fd, place)
    kept = rest
    broken = failure
    return count > 0 ? { buffered: count } : undefined
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
    await isBack
    let isLate = false
    while (open && !call.cancelled) {
      if (kept.length > 0) return again(size)
      if (broken !== undefined) throw broken
      if (place !== undefined && left === Number.POSITIVE_INFINITY && isMuch()) {
        const moved = await buffer(place)
        if (moved !== undefined) return moved
        continue
      }
      const most = Math.min(size, left)
      const chunk = most > 0 ? orEnd(kind, () => take(most)) : nothing
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

/** A terminal's master answers EIO once no process has the other side open: that is its end of file. */
function orEnd<T>(kind: 'pipe' | 'terminal', take: () => T): T | Uint8Array {
  try {
    return take()
  } catch (error) {
    if (kind === 'terminal' && errnoName(error) === 'EIO') return nothing
    throw error
  }
}
