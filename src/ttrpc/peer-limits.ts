/** The limits that a peer must keep; a caller ends the connection when they are exceeded. */
import { TtrpcError } from './status.ts'

export interface PeerLimits {
  /** Frames that answer no call. */
  readonly unasked: number
  /** Requests that the stream has not accepted, because the peer does not read. */
  readonly queuedFrames: number
  readonly queuedBytes: number
}

export const defaultLimits: PeerLimits = {
  unasked: 64,
  queuedFrames: 4096,
  queuedBytes: 16 * 1024 * 1024,
}

/** Counts what comes without having been asked for. */
export class UnaskedFrames {
  readonly #most: number
  #count = 0
  #late = 0

  constructor({ unasked }: PeerLimits) {
    this.#most = unasked
  }

  /** Notes an abandoned call: its answer may still come, once. */
  givenUp(): void {
    this.#late++
  }

  /** Takes one frame. @throws TtrpcError `resource_exhausted` when it is one too many. */
  take(): void {
    if (this.#late > 0) this.#late--
    else if (++this.#count > this.#most)
      throw new TtrpcError(
        'resource_exhausted',
        `the peer sent more than ${this.#most} frames that nobody asked for`,
      )
  }
}

/** Calls that can wait leave all but this part of the queue to others, which so come through while they do. */
const partOfPatient = 1 / 8

/** Counts what waits for a peer that does not read. */
export class Queued {
  readonly #limits: PeerLimits
  readonly #held = new Set<() => void>()
  #frames = 0
  #bytes = 0

  constructor(limits: PeerLimits) {
    this.#limits = limits
  }

  /** Whether there is too much with a frame of `bytes`, which waits until `written` settles. */
  exceededBy(bytes: number, written: Promise<void>): boolean {
    this.#frames++
    this.#bytes += bytes
    const gone = () => {
      this.#frames--
      this.#bytes -= bytes
      this.#sendHeld()
    }
    written.then(gone, gone)
    const { queuedFrames, queuedBytes } = this.#limits
    return this.#frames > queuedFrames || this.#bytes > queuedBytes
  }

  /** How many requests wait for room. Nobody counts their bytes, so none of them stays here that its caller has given up. */
  get held(): number {
    return this.#held.size
  }

  /** Calls `send` once there is room for a call that can wait, in the order of such calls. What it returns gives that up. */
  whenRoom(send: () => void): () => void {
    this.#held.add(send)
    this.#sendHeld()
    return () => void this.#held.delete(send)
  }

  #sendHeld(): void {
    const { queuedFrames, queuedBytes } = this.#limits
    while (this.#frames < queuedFrames * partOfPatient && this.#bytes < queuedBytes * partOfPatient) {
      const [send] = this.#held
      if (send === undefined) return
      this.#held.delete(send)
      send()
    }
  }
}
