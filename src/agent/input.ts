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
  agent: Pick<AgentClient, 'writeStdin' | 'closeStdin'>,
  ids: ProcessIds,
  source: AsyncIterable<Uint8Array>,
  { over, inOrder = false, isTerminal = false, lendPlace }: InputOptions = {},
): Promise<void> {
  let lend = inOrder && !isTerminal ? lendPlace : undefined
  let isBuffered = false
  const waiting = () => underWay.get(agent) ?? 0
  const most = () => (waiting() + mostSent > ample ? leastSent : mostSent)
  const mayBuffer = () => waiting() + mostBuffered <= ample

  const counted = async (piece: Uint8Array, work: Promise<void>) => {
    underWay.set(agent, waiting() + piece.length)
    try {
      await work
    } finally {
      underWay.set(agent, waiting() - piece.length)
    }
  }
  const write = async (piece: Uint8Array) => {
    for (let at = 0; at < piece.length; ) {
      const data = piece.subarray(at)
      // The input of many processes at once is more than may wait for a guest that is slow to take it.
      const { len } = await agent.writeStdin({ ...ids, data }, { signal: over, isPatient: true })
      at += taken(len, data.length, inOrder ? data.length : 1)
    }
  }
  const writeAll = async (piece: Uint8Array) => {
    for (let at = 0; at < piece.length; at += mostSent) await write(piece.subarray(at, at + mostSent))
  }
  /** Begins once what went before is in the process's pipe: the guest may leave a part to the channel, which is next then. */
  const writeBuffered = async (place: StreamPlace, piece: Uint8Array, before: Promise<void>) => {
    let isNext: true | undefined
    try {
      if (place.put(piece))
        isNext = await within(
          before.then(() => true as const),
          idleMs,
        )
      else lend = undefined
    } finally {
      if (isNext === undefined) place.giveBack(piece.length)
    }
    if (isNext === undefined) {
      await before
      return await writeAll(piece)
    }
    const request = { ...ids, bufferOffset: place.offset, bufferLen: piece.length, bufferMs: idleMs }
    const { len } = await withPlace(place, agent.writeStdin(request, { isPatient: true }), over)
    place.giveBack(piece.length)
    const count = taken(len, piece.length, 0)
    // The guest has no buffer that works, or the process does not read.
    if (count === 0) lend = undefined
    await writeAll(piece.subarray(count))
  }

  try {
    let last = Promise.resolve()
    for await (const chunk of gathered(source, () => (isBuffered && mayBuffer() ? mostBuffered : most())))
      for (let at = 0; at < chunk.length; ) {
        const before = last
        const place = chunk.length - at >= leastBuffered && mayBuffer() ? lend?.() : undefined
        const piece = chunk.subarray(
          at,
          at + (place === undefined ? most() : Math.min(place.size, mostBuffered)),
        )
        at += piece.length
        // One in a call is not to overtake a part of one in the buffer.
        if (place === undefined && isBuffered) await before
        last = counted(piece, place === undefined ? write(piece) : writeBuffered(place, piece, before))
        isBuffered = place !== undefined
        // After a failure of the one before, no code awaits this one.
        last.catch(() => {})
        await (inOrder ? before : last)
      }
    await last
    if (!isTerminal) await agent.closeStdin(ids)
  } catch (error) {
    if (noReader(error)) return
    // A process that reads would wait for the rest for ever.
    if (!isTerminal && !over?.aborted) await agent.closeStdin(ids).catch(() => {})
    throw error
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
