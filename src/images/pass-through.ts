/** Sends bytes through a program of another process: into its standard input, and back from its standard output. */
import { readSync, writeSync } from 'node:fs'
import { libc } from '../linux/libc.ts'
import { sleep } from '../time.ts'

/** Our ends of its two pipes, neither of which makes us wait. The caller closes them. */
export interface Ends {
  readonly to: number
  readonly from: number
  /** Closes `to`: the program gets no more. May be called again. */
  readonly endInput: () => void
}

const F_SETPIPE_SZ = 1031
const pieceBytes = 1 << 20
/** How long is waited when the program neither takes nor gives anything, milliseconds: longer the longer that lasts. */
const [shortestWaitMs, longestWaitMs] = [1, 8]
/** A program that does neither for so long is given up, milliseconds. */
const patienceMs = 120_000

/**
 * What the program makes of `chunks`, to the end of its output. Of `chunks` no more is asked for than it takes.
 *
 * @throws Error of a program that neither takes nor gives anything; what `chunks` throws; the signal's reason.
 */
export async function* passThrough(
  chunks: AsyncIterable<Uint8Array>,
  { to, from, endInput }: Ends,
  signal: AbortSignal,
  stallMs = patienceMs,
): AsyncGenerator<Buffer> {
  // Only fewer turns when it succeeds.
  for (const pipe of [to, from]) libc.fcntl(pipe, F_SETPIPE_SZ, BigInt(pieceBytes))
  const input = chunks[Symbol.asyncIterator]()
  const buffer = Buffer.alloc(pieceBytes)
  let idle = new Idle(stallMs)
  try {
    let rest: Uint8Array | undefined = Buffer.alloc(0)
    for (;;) {
      signal.throwIfAborted()
      if (rest?.length === 0) rest = await next(input)
      const given = rest === undefined ? undefined : writeNow(to, rest)
      rest = given === undefined ? undefined : rest?.subarray(given)
      if (rest === undefined) endInput()
      const piece = readNow(from, buffer)
      if (piece?.length === 0) return
      if (piece !== undefined) yield Buffer.from(piece)
      if (given || piece !== undefined) idle = new Idle(stallMs)
      else await idle.wait(signal)
    }
  } finally {
    await input.return?.()
  }
}

/**
 * The time in which nothing moves: of its own waits, not of the clock, which goes on while the machine stands still, and the program with it.
 */
class Idle {
  readonly #stallMs: number
  #waitedMs = 0
  #waitMs = shortestWaitMs

  constructor(stallMs: number) {
    this.#stallMs = stallMs
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (this.#waitedMs > this.#stallMs)
      throw new Error(`the program neither reads nor writes for ${this.#stallMs / 1000} s`)
    await sleep(this.#waitMs, signal)
    this.#waitedMs += this.#waitMs
    this.#waitMs = Math.min(2 * this.#waitMs, longestWaitMs)
  }
}

/** Undefined at the end. An empty chunk would look like nothing to give. */
async function next(input: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = await input.next()
    if (done) return undefined
    if (value.length > 0) return value
  }
}

/** How many bytes the pipe has taken; undefined when nobody will read them. */
function writeNow(pipe: number, bytes: Uint8Array): number | undefined {
  try {
    return writeSync(pipe, bytes)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EAGAIN') return 0
    if (code === 'EPIPE') return undefined
    throw error
  }
}

/** A part of `buffer`, which is empty at the end; undefined while a writer is there that has nothing to say. */
export function readNow(pipe: number, buffer: Buffer): Buffer | undefined {
  try {
    return buffer.subarray(0, readSync(pipe, buffer, 0, buffer.length, null))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw error
  }
}
