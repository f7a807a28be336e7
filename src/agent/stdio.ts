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

/**
 * Hands the chunks of a stream to `sink` in order, until its end. The next chunk is fetched while the sink works. So at most two
 * chunks (4 MiB) are held, and a slow sink slows the process in the guest.
 *
 * @param over ends a read that the guest does not answer.
 * @throws errors of the sink and of the agent; KataError AGENT_MISBEHAVED when a chunk is longer than asked for.
 */
export async function pumpOutput(
  agent: Pick<AgentClient, 'readStdout' | 'readStderr'>,
  ids: ProcessIds,
  stream: 'stdout' | 'stderr',
  sink: (chunk: Uint8Array) => Promise<void>,
  over?: AbortSignal,
): Promise<void> {
  const method = stream === 'stdout' ? 'readStdout' : 'readStderr'
  const count = (bytes: number, sign: 1 | -1) =>
    unread.set(agent, (unread.get(agent) ?? 0) + sign * Math.max(bytes - leastAsked, 0))
  let asked = leastAsked
  const read = async () => {
    const len = (unread.get(agent) ?? 0) + asked > ample ? leastAsked : asked
    count(len, 1)
    try {
      const { data } = await agent[method]({ ...ids, len }, { signal: over })
      if (data.length > len)
        throw new KataError('AGENT_MISBEHAVED', { method, reason: `${data.length} bytes, asked for ${len}` })
      count(data.length, 1)
      asked = Math.min(Math.max(2 * data.length, leastAsked), mostAsked)
      return data
    } finally {
      count(len, -1)
    }
  }
  const taken = (chunk: Uint8Array) => count(chunk.length, -1)
  let next = read()
  for (;;) {
    const chunk = await next
    if (chunk.length === 0) return
    next = read()
    // It may fail before the sink is done, and after a failure of the sink no code awaits it.
    next.catch(() => {})
    try {
      await sink(chunk)
    } catch (error) {
      next.then(taken, () => {})
      throw error
    } finally {
      taken(chunk)
    }
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
