/**
 * Output that was taken out of a process's pipe before the host is told how much there is. The process can open that pipe for reading as well
 * (`/proc/self/fd/1`). Bytes that were announced and are not there any more would hold up everything behind them on the agent's channel.
 */
import { close, pipe, splice, unread } from 'syscalls'
import { errnoName } from '../system/files.ts'

export class TakenOutput {
  readonly #capacity: number
  #ends: readonly [read: number, write: number] | undefined

  /** `capacity` as of {@link pipe}. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Takes at most `size` bytes out of the pipe `from`: how many it was, 0 when another reader was quicker. */
  take(from: number, size: number): number {
    this.#ends ??= pipe(this.#capacity)
    try {
      return splice(from, this.#ends[1], size)
    } catch (error) {
      // Nothing came, as the pipe is empty and has no writer any more: the next read finds its end.
      if (errnoName(error) === 'EIO') return 0
      throw error
    }
  }

  /** The bytes that are still here, and where to read them. Undefined when there are none. */
  rest(): { readonly fd: number; readonly bytes: number } | undefined {
    if (this.#ends === undefined) return undefined
    const [fd] = this.#ends
    const bytes = unread(fd)
    return bytes === 0 ? undefined : { fd, bytes }
  }

  /** Throws away what is here. */
  close(): void {
    for (const end of this.#ends ?? []) close(end)
    this.#ends = undefined
  }
}
