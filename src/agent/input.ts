/** Input of a guest process, which the host pushes, one call or two at a time. */
import { KataError } from '../errors.ts'
import { within } from '../time.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import type { AgentClient } from './client.ts'
import { gathered } from './gathered.ts'
import { ample, type ProcessIds } from './process-streams.ts'
import { idleMs, type LendPlace, leastBuffered, type StreamPlace, withPlace } from './stream-place.ts'

/** Most bytes that are sent at a time. */
const mostSent = 1024 * 1024
/** And so many once {@link ample} are under way to a guest: a process that never reads then costs guest and host little. */
const leastSent = 64 * 1024
/** And most that are put into the buffer for one call. */
const mostBuffered = 4 * 1024 * 1024
/** Input that each guest has not taken yet, bytes. It is in this process's memory, and in the agent's or in a buffer. */
const underWay = new WeakMap<object, number>()

export interface InputOptions {
  /** The process has ended: ends a write that the guest does not answer. */
  readonly over?: AbortSignal | undefined
  /**
   * The guest begins calls in the order in which they came, as our own agent does: a second write is under way before the first is
   * answered, so that the guest never waits for us. Kata's agent may begin them in any order. Default false.
   */
  readonly inOrder?: boolean | undefined
  /** A terminal has no end of input: it is never closed, by which Kata's agent would hang it up. Default false. */
  readonly isTerminal?: boolean | undefined
  /** Places for much input, of a guest that begins calls in order. Absent: all of it is in the calls. */
  readonly lendPlace?: LendPlace | undefined
}

/**
 * Feeds a process's stdin until `source` ends or fails, then closes it, unless it is a terminal. Returns early, without an error, when the process stops reading: the
 * guest then answers not_found (the process is gone) or failed_precondition (it closed its stdin). At most two writes (2 MiB, or 8 in the
 * buffer) and what was gathered meanwhile are held, and a slow process slows the source. Where very many do not read, it is 128 KiB for each.
 *
 * @throws errors of the source and of the agent; KataError AGENT_MISBEHAVED when the agent took more than was sent, or in order less.
 */
export async function pumpInput(
  agent: InputAgent,
  ids: ProcessIds,
  source: AsyncIterable<Uint8Array>,
  options: InputOptions = {},
): Promise<void> {
  const { over, isTerminal = false } = options
  const pump = new InputPump(agent, ids, options)
  try {
    for await (const chunk of gathered(source, () => pump.wanted)) await pump.take(chunk)
    await pump.settled()
    if (!isTerminal) await agent.closeStdin(ids)
  } catch (error) {
    if (noReader(error)) return
    // A process that reads would wait for the rest for ever.
    if (!isTerminal && !over?.aborted) await agent.closeStdin(ids).catch(() => {})
    throw error
  }
}

type InputAgent = Pick<AgentClient, 'writeStdin' | 'closeStdin'>

/** The writes to one process: two are under way in a guest that begins calls in order, one in any other. */
class InputPump {
  readonly #agent: InputAgent
  readonly #ids: ProcessIds
  readonly #over: AbortSignal | undefined
  readonly #inOrder: boolean
  /** Undefined, too, once the guest's buffer did not work or the process did not read. */
  #lend: LendPlace | undefined
  /** Whether the last piece went into the buffer. */
  #isBuffered = false
  #last: Promise<void> = Promise.resolve()

  constructor(
    agent: InputAgent,
    ids: ProcessIds,
    { over, inOrder = false, isTerminal = false, lendPlace }: InputOptions,
  ) {
    this.#agent = agent
    this.#ids = ids
    this.#over = over
    this.#inOrder = inOrder
    this.#lend = inOrder && !isTerminal ? lendPlace : undefined
  }

  /** So many bytes are good to have for the next {@link take}. */
  get wanted(): number {
    return this.#isBuffered && this.#mayBuffer() ? mostBuffered : this.#most()
  }

  /** Begins to write, and resolves when the next chunk may come. */
  async take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const before = this.#last
      const place = chunk.length - at >= leastBuffered && this.#mayBuffer() ? this.#lend?.() : undefined
      const most = place === undefined ? this.#most() : Math.min(place.size, mostBuffered)
      const piece = chunk.subarray(at, at + most)
      at += piece.length
      // One in a call is not to overtake a part of one in the buffer.
      if (place === undefined && this.#isBuffered) await before
      this.#isBuffered = place !== undefined
      this.#last = this.#counted(
        piece,
        place === undefined ? this.#write(piece) : this.#writeBuffered(place, piece, before),
      )
      // After a failure of the one before, no code awaits this one.
      this.#last.catch(() => {})
      await (this.#inOrder ? before : this.#last)
    }
  }

  /** Resolves when the guest has all that was taken. */
  settled(): Promise<void> {
    return this.#last
  }

  get #waiting(): number {
    return underWay.get(this.#agent) ?? 0
  }

  #most(): number {
    return this.#waiting + mostSent > ample ? leastSent : mostSent
  }

  #mayBuffer(): boolean {
    return this.#waiting + mostBuffered <= ample
  }

  async #counted(piece: Uint8Array, work: Promise<void>): Promise<void> {
    underWay.set(this.#agent, this.#waiting + piece.length)
    try {
      await work
    } finally {
      underWay.set(this.#agent, this.#waiting - piece.length)
    }
  }

  async #write(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const data = piece.subarray(at)
      // The input of many processes at once is more than may wait for a guest that is slow to take it.
      const how = { signal: this.#over, isPatient: true }
      const { len } = await this.#agent.writeStdin({ ...this.#ids, data }, how)
      at += taken(len, data.length, this.#inOrder ? data.length : 1)
    }
  }

  async #writeAll(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; at += mostSent) await this.#write(piece.subarray(at, at + mostSent))
  }

  /** Begins once what went before is in the process's pipe: the guest may leave a part to the channel, which is next then. */
  async #writeBuffered(place: StreamPlace, piece: Uint8Array, before: Promise<void>): Promise<void> {
    if (!(await this.#isPut(place, piece, before))) {
      await before
      return await this.#writeAll(piece)
    }
    const request = { ...this.#ids, bufferOffset: place.offset, bufferLen: piece.length, bufferMs: idleMs }
    const { len } = await withPlace(place, this.#agent.writeStdin(request, { isPatient: true }), this.#over)
    place.giveBack(piece.length)
    const count = taken(len, piece.length, 0)
    // The guest has no buffer that works, or the process does not read.
    if (count === 0) this.#lend = undefined
    await this.#writeAll(piece.subarray(count))
  }

  /** Whether the piece is in its place, and its turn has come while it may be there. The place is given back where not. */
  async #isPut(place: StreamPlace, piece: Uint8Array, before: Promise<void>): Promise<boolean> {
    let isNext = false
    try {
      if (place.put(piece))
        isNext =
          (await within(
            before.then(() => true),
            idleMs,
          )) ?? false
      else this.#lend = undefined
    } finally {
      if (!isNext) place.giveBack(piece.length)
    }
    return isNext
  }
}

/** @throws KataError AGENT_MISBEHAVED. */
function taken(len: number, most: number, least: number): number {
  if (len >= least && len <= most) return len
  throw new KataError('AGENT_MISBEHAVED', {
    method: 'writeStdin',
    reason: `it took ${len} of ${most} bytes`,
  })
}

function noReader(error: unknown): boolean {
  return error instanceof TtrpcError && (error.code === 'not_found' || error.code === 'failed_precondition')
}
