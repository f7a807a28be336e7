/** What a pipe or terminal has to read at the moment: as bytes, lent in the one block that all streams share, or in the host's buffer. */
import { available, close, read, readInto } from 'syscalls'
import type { Lent } from '../../../../src/ttrpc/ttrpc.ts'
import type { Loop } from '../devices/loop.ts'
import { errnoName } from '../system/files.ts'
import { hostBuffer } from './host-buffer.ts'
import { OutputBlock } from './output-block.ts'
import type { BufferPlace } from './stream-buffer.ts'

/** What a pipe holds, bytes: the more, the fewer turns does a stream take. The kernel takes no memory for what is not in it. */
export const pipeBytes = 1024 * 1024
/** Most bytes that are taken out of one at a time: what a process writes in the meantime comes along. */
export const mostLent = 2 * pipeBytes
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

/** So many bytes are in the stream buffer. */
export interface Buffered {
  readonly buffered: number
}

export interface OutputSource {
  /** Resolves once what was lent is given back. */
  settled(): Promise<void> | undefined
  /** What came back unsent, or did not get into the buffer; undefined when there is nothing of it. @throws what came in its place. */
  takeKept(size: number): Uint8Array | undefined
  /** What is there now, as of read(2): null when nothing is, and empty at the end. */
  take(size: number): Uint8Array | Lent | null
  /** Whether so much is there that the buffer is worth its way. */
  isMuch(): boolean
  /**
   * Undefined when it moved nothing, and {@link takeKept} may have something. What is in the buffer of a call that was cancelled is lost
   * with its host.
   */
  move(place: BufferPlace): Promise<Buffered | undefined>
  /** Closes `fd`. What comes back afterwards has no reader. */
  close(): void
}

export function createOutputSource(loop: Loop, fd: number, kind: 'pipe' | 'terminal'): OutputSource {
  let open = true
  /** Output that was lent, until it is given back. */
  let isBack: Promise<void> | undefined
  /** What is read again. */
  let kept = nothing
  /** What comes after that. */
  let broken: unknown

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

  return {
    settled: () => isBack,
    takeKept(size) {
      if (kept.length > 0) {
        const first = kept.subarray(0, size)
        kept = kept.subarray(size)
        return first
      }
      if (broken !== undefined) throw broken
      return undefined
    },
    take: (size) => orEnd(kind, () => readSome(fd, size, lend)),
    isMuch: () => kind === 'pipe' && hostBuffer.works && available(fd) >= fewestBuffered,
    async move(place) {
      const { count, rest, failure } = await hostBuffer.move(loop, fd, place)
      kept = rest
      broken = failure
      return count > 0 ? { buffered: count } : undefined
    },
    close() {
      open = false
      close(fd)
    },
  }
}

/** Much is read into the block, unless that is lent already, and then it is lent on. */
function readSome(fd: number, size: number, lend: (bytes: Uint8Array) => Lent): Uint8Array | Lent | null {
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

/** A terminal's master answers EIO once no process has the other side open: that is its end of file. */
function orEnd<T>(kind: 'pipe' | 'terminal', take: () => T): T | Uint8Array {
  try {
    return take()
  } catch (error) {
    if (kind === 'terminal' && errnoName(error) === 'EIO') return nothing
    throw error
  }
}
