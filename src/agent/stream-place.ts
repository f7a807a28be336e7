/** Calls that have a place in a buffer which host and guest share: the bytes of a stream are there, and not in request or answer. */
import { untilAborted } from '../time.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** A part of the buffer, for one call. */
export interface StreamPlace {
  /** Bytes from the beginning of the buffer. */
  readonly offset: number
  readonly size: number
  /** `count` bytes of what is there, from `from` on; fewer when the guest has cut its file. */
  take(from: number, count: number): Uint8Array
  /** Puts bytes at its beginning; false where the guest has used the room. */
  put(bytes: Uint8Array): boolean
  /** To be called once nobody uses it for this call any more; `count` bytes were there. */
  giveBack(count: number): void
}

/** A place that nobody else has, if there is one now. */
export type LendPlace = () => StreamPlace | undefined

/** A place is wanted back from a process that writes nothing for so long, or has not read all by then, milliseconds: there are few. */
export const idleMs = 1000

/** Fewer bytes go through the channel, which is there sooner. */
export const leastBuffered = 256 * 1024

/**
 * What the guest answers to a call that has `place`. Without an answer the place is not the caller's any more: it is given back when the guest answers
 * yet, and stays lent when it does not, as the guest may use it.
 *
 * @throws what the call throws; the reason of `over`.
 */
export async function withPlace<T>(place: StreamPlace, answer: Promise<T>, over?: AbortSignal): Promise<T> {
  try {
    return await (over === undefined ? answer : unless(over, answer))
  } catch (error) {
    void isAnswered(answer).then((isFree) => isFree && place.giveBack(place.size))
    throw error
  }
}

async function unless<T>(over: AbortSignal, answer: Promise<T>): Promise<T> {
  using end = untilAborted(over)
  const given = end.aborted.then(() => Promise.reject(over.reason))
  // The answer may have come first.
  given.catch(() => {})
  return await Promise.race([answer, given])
}

const isAnswered = (answer: Promise<unknown>): Promise<boolean> =>
  answer.then(
    () => true,
    (error) => error instanceof TtrpcError && error.isAnswer,
  )
