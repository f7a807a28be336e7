/** Another runtime, or the program below ours, measured beside it. */
import type { Measured } from '../command.ts'

export interface Peer {
  readonly name: string
  /** What its start is timed to. */
  readonly until: 'until the first output' | 'until the agent answers'
  /** Starts, waits until then and takes all away again. `id` is used once. Returns milliseconds. */
  start(id: string): Promise<number>
  /** Absent where there is no such thing. */
  readonly exec?: {
    /** A container that runs until `close`. */
    open(): Promise<void>
    /** `echo x` in it. */
    run(): Promise<Measured>
    close(): Promise<void>
  }
}

/** A peer that cannot be measured on this host. */
export interface Absent {
  readonly name: string
  readonly why: string
}

export const isAbsent = (peer: Peer | Absent): peer is Absent => 'why' in peer
