/** Moves the standard streams of a guest process: the host pulls output, one call at a time, and pushes input, one or two. */
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import type { AgentClient } from './client.ts'
import { gathered } from './gathered.ts'

/** A process of the guest; an empty execId is the container's init process. */
export interface ProcessIds {
  readonly containerId: string
  readonly execId: string
}

/** Most bytes that are sent at a time. */
const mostSent = 1024 * 1024
/** And so many once {@link ample} are under way to a guest: a process that never reads then costs guest and host little. */
const leastSent = 64 * 1024
/** What processes that read need to be fast, thirty at a time, bytes. */
const ample = 64 * mostSent
/** Input that each guest has not taken yet, bytes. It is in this process's memory, and in the agent's. */
const underWay = new WeakMap<object, number>()
/** Output of each guest that its readers have not taken yet, bytes, asked for or here; what every stream may have is not counted. */
const unread = new WeakMap<object, number>()
/** Bytes asked for: as few as this where little comes, since Kata's agent fills as many with zeros for each answer. */
const leastAsked = 64 * 1024
/** And at most so many of a stream that gives much, until {@link ample} of a guest are unread: our agent, an interpreter, spends more time on an answer than on copying a MiB. */
export const mostAsked = 2 * 1024 * 1024
/** A stream for which so many are asked may have a place in the buffer. */
const leastBuffered = 256 * 1024
/** And is taken out of it in pieces, bytes. */
const pieceBytes = 512 * 1024

/** A part of a buffer that host and guest share, for one answer. */
export interface OutputPlace {
  /** Bytes from the beginning of the buffer. */
  readonly offset: number
  readonly size: number
  /** `count` bytes of what the guest has put there, from `from` on; fewer when it has cut its file. */
  take(from: number, count: number): Uint8Array
  /** To be called once the guest has answered and `count` bytes were taken. */
  giveBack(count: number): void
}

export interface OutputOptions {
  /** Ends a read that the guest does not answer. */
  readonly over?: AbortSignal | undefined
  /** A place for much output, if there is one now. Absent: all of it comes in the answers. */
  readonly lendPlace?: (() => OutputPlace | undefined) | undefined
}

/** What one answer brought, here or in the buffer. */
interface Chunk {
  readonly length: number
  /** Hands it over piece by piece. */
  give(sink: Sink): Promise<void>
}

type Sink = (piece: Uint8Array) => Promise<void>

/**
 * Hands the pieces of a stream to `sink` in order, until its end. The next chunk is fetched while the sink works. So at most two
 * chunks (4 MiB) are held, and a slow sink slows the process in the guest. While chunks come through a buffer, they stay in it, and two are fetched
 * at a time: the guest of an agent that has one answers in order, and does not wait for us.
 *
 * @throws errors of the sink and of the agent; KataError AGENT_MISBEHAVED when a chunk is longer than asked for, or is not in the buffer.
 */
export async function pumpOutput(
  agent: Pick<AgentClient, 'readStdout' | 'readStderr'>,
  ids: ProcessIds,
  stream: 'stdout' | 'stderr',
  sink: Sink,
  { over, lendPlace }: OutputOptions = {},
): Promise<void> {
  const method = stream === 'stdout' ? 'readStdout' : 'readStderr'
  const count = (bytes: number, sign: 1 | -1) =>
    unread.set(agent, (unread.get(agent) ?? 0) + sign * Math.max(bytes - leastAsked, 0))
  let asked = leastAsked
  let ahead = 1

  const read = async (): Promise<Chunk> => {
    const len = (unread.get(agent) ?? 0) + asked > ample ? leastAsked : asked
    const place = len >= leastBuffered ? lendPlace?.() : undefined
    count(len, 1)
    try {
      const request = place === undefined ? {} : { bufferOffset: place.offset, bufferLen: place.size }
      const { data, buffered } = await agent[method]({ ...ids, len, ...request }, { signal: over })
      check(data.length, buffered, { method, len, room: place?.size ?? 0 })
      ahead = buffered > 0 ? 2 : 1
      asked = Math.min(Math.max(2 * (data.length + buffered), leastAsked), mostAsked)
      if (place !== undefined && buffered > 0) return inBuffer(place, buffered, method)
      place?.giveBack(0)
      count(data.length, 1)
      return { length: data.length, give: (sink) => sink(data).finally(() => count(data.length, -1)) }
    } finally {
      count(len, -1)
    }
  }
  const underWay: Promise<Chunk>[] = []
  const ask = (most: number) => {
    while (underWay.length < most) {
      const next = read()
      // It may fail before the sink is done, and after a failure of the sink no code awaits it.
      next.catch(() => {})
      underWay.push(next)
    }
  }
  for (;;) {
    ask(1)
    const chunk = await underWay.shift()!
    // Those behind it are answered, too, and their places are free then.
    if (chunk.length === 0) return void (await Promise.all(underWay))
    ask(1)
    try {
      await chunk.give(sink)
    } catch (error) {
      for (const next of underWay) next.then(({ give }) => give(async () => {})).catch(() => {})
      throw error
    }
    ask(ahead)
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

function inBuffer(place: OutputPlace, length: number, method: string): Chunk {
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

export interface InputOptions {
  /** Ends a write that the guest does not answer. */
  readonly over?: AbortSignal | undefined
  /**
   * The guest begins calls in the order in which they came, as our own agent does: a second write is under way before the first is
   * answered, so that the guest never waits for us. Kata's agent may begin them in any order. Default false.
   */
  readonly inOrder?: boolean | undefined
  /** A terminal has no end of input: it is never closed, by which Kata's agent would hang it up. Default false. */
  readonly isTerminal?: boolean | undefined
}

/**
 * Feeds a process's stdin until `source` ends, then closes it, unless it is a terminal. Returns early, without an error, when the process stops reading: the
 * guest then answers not_found (the process is gone) or failed_precondition (it closed its stdin). At most two writes (2 MiB) and what
 * was gathered meanwhile are held, and a slow process slows the source. Where very many do not read, it is 128 KiB for each.
 *
 * @throws errors of the source and of the agent; KataError AGENT_MISBEHAVED when the agent took more than was sent, or in order less.
 */
export async function pumpInput(
  agent: Pick<AgentClient, 'writeStdin' | 'closeStdin'>,
  ids: ProcessIds,
  source: AsyncIterable<Uint8Array>,
  { over, inOrder = false, isTerminal = false }: InputOptions = {},
): Promise<void> {
  const waiting = () => underWay.get(agent) ?? 0
  const most = () => (waiting() + mostSent > ample ? leastSent : mostSent)
  const write = async (piece: Uint8Array) => {
    underWay.set(agent, waiting() + piece.length)
    try {
      await writeAll(piece)
    } finally {
      underWay.set(agent, waiting() - piece.length)
    }
  }
  const writeAll = async (piece: Uint8Array) => {
    for (let at = 0; at < piece.length; ) {
      const data = piece.subarray(at)
      // The input of many processes at once is more than may wait for a guest that is slow to take it.
      const { len } = await agent.writeStdin({ ...ids, data }, { signal: over, isPatient: true })
      if (len < (inOrder ? data.length : 1) || len > data.length)
        throw new KataError('AGENT_MISBEHAVED', {
          method: 'writeStdin',
          reason: `it took ${len} of ${data.length} bytes`,
        })
      at += len
    }
  }
  try {
    let last = Promise.resolve()
    for await (const chunk of gathered(source, most))
      for (let at = 0; at < chunk.length; ) {
        const before = last
        const piece = chunk.subarray(at, at + most())
        at += piece.length
        last = write(piece)
        // After a failure of the one before, no code awaits this one.
        last.catch(() => {})
        await (inOrder ? before : last)
      }
    await last
    if (!isTerminal) await agent.closeStdin(ids)
  } catch (error) {
    if (!noReader(error)) throw error
  }
}

function noReader(error: unknown): boolean {
  return error instanceof TtrpcError && (error.code === 'not_found' || error.code === 'failed_precondition')
}
