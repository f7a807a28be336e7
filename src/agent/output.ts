/** Output of a guest process, which the host pulls, one call or two at a time. */
import { KataError } from '../errors.ts'
import type { ReadStreamResponse } from '../protocol/generated/agent.ts'
import type { AgentClient } from './client.ts'
import { ample, type ProcessIds } from './process-streams.ts'
import { idleMs, type LendPlace, leastBuffered, type StreamPlace, withPlace } from './stream-place.ts'

/** Output of each guest that its readers have not taken yet, bytes, asked for or here; what every stream may have is not counted. */
const unread = new WeakMap<object, number>()
/** Bytes asked for: as few as this where little comes, since Kata's agent fills as many with zeros for each answer. */
const leastAsked = 64 * 1024
/** And at most so many of a stream that gives much, until {@link ample} of a guest are unread: our agent, an interpreter, spends more time on an answer than on copying a MiB. */
export const mostAsked = 2 * 1024 * 1024
/** What is in the buffer is taken out in pieces, bytes. */
const pieceBytes = 512 * 1024

export interface OutputOptions {
  /** Ends a read that the guest does not answer. */
  readonly over?: AbortSignal | undefined
  /** Places for much output. Absent: all of it comes in the answers. */
  readonly lendPlace?: LendPlace | undefined
}

/** What one answer brought, here or in the buffer. */
interface Chunk {
  readonly length: number
  /** Hands it over piece by piece. */
  give(sink: Sink): Promise<void>
}

/** A place came back, and nothing in it. What comes is in the answers to the reads behind it. */
const idle: Chunk = { length: 0, give: async () => {} }

type Sink = (piece: Uint8Array) => Promise<void>

/**
 * Hands the pieces of a stream to `sink` in order, until its end. The next chunk is fetched while the sink works. So at most two
 * chunks (4 MiB) are held, and a slow sink slows the process in the guest. While chunks come through a buffer, they stay in it, and two are fetched
 * at a time: the guest of an agent that has one answers in order, and does not wait for us.
 *
 * @throws errors of the sink and of the agent; KataError AGENT_MISBEHAVED when a chunk is longer than asked for, or is not in the buffer.
 */
export async function pumpOutput(
  agent: OutputAgent,
  ids: ProcessIds,
  stream: OutputName,
  sink: Sink,
  options: OutputOptions = {},
): Promise<void> {
  const reader = new OutputReader(agent, ids, stream, options)
  const underWay: Promise<Chunk>[] = []
  const ask = (most: number) => {
    while (underWay.length < most) {
      const next = reader.read()
      // It may fail before the sink is done, and after a failure of the sink no code awaits it.
      next.catch(() => {})
      underWay.push(next)
    }
  }
  for (;;) {
    ask(1)
    const chunk = await underWay.shift()!
    if (chunk === idle) continue
    // Those behind it are answered, too, and their places are free then.
    if (chunk.length === 0) return void (await Promise.all(underWay))
    ask(1)
    try {
      await chunk.give(sink)
    } catch (error) {
      for (const next of underWay) next.then(({ give }) => give(async () => {})).catch(() => {})
      throw error
    }
    ask(reader.ahead)
  }
}

type OutputAgent = Pick<AgentClient, 'readStdout' | 'readStderr'>
type OutputName = 'stdout' | 'stderr'

/** The reads of one stream: each asks for twice what the one before brought. */
class OutputReader {
  readonly #agent: OutputAgent
  readonly #ids: ProcessIds
  readonly #method: 'readStdout' | 'readStderr'
  readonly #options: OutputOptions
  #asked = leastAsked
  #ahead = 1

  constructor(agent: OutputAgent, ids: ProcessIds, stream: OutputName, options: OutputOptions) {
    this.#agent = agent
    this.#ids = ids
    this.#method = stream === 'stdout' ? 'readStdout' : 'readStderr'
    this.#options = options
  }

  /** So many reads are good to have under way. */
  get ahead(): number {
    return this.#ahead
  }

  async read(): Promise<Chunk> {
    const { over, lendPlace } = this.#options
    const len = this.#unread + this.#asked > ample ? leastAsked : this.#asked
    const place = len >= leastBuffered ? lendPlace?.() : undefined
    this.#count(len, 1)
    try {
      const request =
        place === undefined ? {} : { bufferOffset: place.offset, bufferLen: place.size, bufferMs: idleMs }
      const how = place === undefined ? { signal: over } : {}
      const asking = this.#agent[this.#method]({ ...this.#ids, len, ...request }, how)
      const answer = await (place === undefined ? asking : withPlace(place, asking, over))
      return this.#chunk(answer, len, place)
    } finally {
      this.#count(len, -1)
    }
  }

  #chunk(
    { data, buffered, idle: isIdle }: ReadStreamResponse,
    len: number,
    place: StreamPlace | undefined,
  ): Chunk {
    const method = this.#method
    check(data.length, buffered, { method, len, room: place?.size ?? 0 })
    if (isIdle && place === undefined)
      throw new KataError('AGENT_MISBEHAVED', { method, reason: 'it was to wait for output' })
    this.#ahead = buffered > 0 ? 2 : 1
    this.#asked = Math.min(Math.max(2 * (data.length + buffered), leastAsked), mostAsked)
    if (place !== undefined && buffered > 0) return inBuffer(place, buffered, method)
    place?.giveBack(0)
    if (isIdle) return idle
    this.#count(data.length, 1)
    return {
      length: data.length,
      give: (sink) => sink(data).finally(() => this.#count(data.length, -1)),
    }
  }

  get #unread(): number {
    return unread.get(this.#agent) ?? 0
  }

  #count(bytes: number, sign: 1 | -1): void {
    unread.set(this.#agent, this.#unread + sign * Math.max(bytes - leastAsked, 0))
  }
}

/** @throws KataError AGENT_MISBEHAVED. */
function check(
  bytes: number,
  buffered: number,
  { method, len, room }: { method: string; len: number; room: number },
): void {
  const misbehaved = (reason: string) => new KataError('AGENT_MISBEHAVED', { method, reason })
  if (bytes > len) throw misbehaved(`${bytes} bytes, asked for ${len}`)
  if (buffered > room) throw misbehaved(`${buffered} bytes in the stream buffer, with room for ${room}`)
  if (buffered > 0 && bytes > 0)
    throw misbehaved(`${buffered} bytes in the stream buffer, and ${bytes} beside`)
}

function inBuffer(place: StreamPlace, length: number, method: string): Chunk {
  return {
    length,
    async give(sink) {
      try {
        for (let at = 0; at < length; at += pieceBytes) {
          const expected = Math.min(pieceBytes, length - at)
          const piece = place.take(at, expected)
          if (piece.length < expected)
            throw new KataError('AGENT_MISBEHAVED', {
              method,
              reason: `${at + piece.length} bytes in the stream buffer, told of ${length}`,
            })
          await sink(piece)
        }
      } finally {
        place.giveBack(length)
      }
    },
  }
}
