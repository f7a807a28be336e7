/**
 * A pipe that bytes pass on their way from another pipe to a descriptor, without being copied. They cannot go directly: the driver of
 * virtio-serial (6.12) hands the host empty pages behind those of a splice that leaves something in the pipe, and a host that is given such
 * has done with the port. What lies alone in this pipe goes whole.
 */
import { close, pipe, splice } from 'syscalls'

/** What it holds, bytes: the driver asks the kernel for a list of that many pages, at once or not at all. */
const capacity = 256 * 1024

export class Staging {
  readonly #to: number
  #ends: readonly [read: number, write: number] | undefined
  #held = 0

  constructor(to: number) {
    this.#to = to
  }

  /** Brings `bytes` of a pipe of the agent's own, which are there, to its descriptor. How many are still in that pipe; those to come wait for room. */
  move(from: number, bytes: number): { left: number; isBlocked: boolean } {
    this.#ends ??= pipe(capacity)
    const [read, write] = this.#ends
    let left = bytes
    while (left > 0 || this.#held > 0) {
      if (this.#held === 0) {
        this.#held = splice(from, write, left)
        if (this.#held === 0) throw new Error(`${left} bytes that were announced are not in their pipe`)
        left -= this.#held
      }
      const gone = splice(read, this.#to, this.#held)
      if (gone === 0) return { left, isBlocked: true }
      this.#held -= gone
    }
    return { left, isBlocked: false }
  }

  /** Throws away what it holds. */
  close(): void {
    for (const end of this.#ends ?? []) close(end)
    this.#ends = undefined
    this.#held = 0
  }
}
