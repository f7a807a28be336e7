/**
 * Output that was taken out of a process's pipe before the host is told how much there is. The process can open that pipe for reading as well
 * (`/proc/self/fd/1`). Bytes that were announced and are not there any more would hold up everything behind them on the agent's channel.
 *
 * They are copied. splice(2) would take the buffers of the pipe as the process made them: pages that it can still write to or that cannot be read,
 * and empty ones. A kernel before 6.15 leaves one behind each write(2) from where no memory is. The transport would break on them.
 */
import { close, copyPipe, pipe, setNonblocking, unread } from 'syscalls'

export class TakenOutput {
  readonly #capacity: number
  #ends: readonly [read: number, write: number] | undefined

  /** `capacity` as of {@link pipe}. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /**
   * Takes at most `size` bytes out of the pipe `from`, while none are here: how many it was, 0 when another reader was quicker.
   *
   * @throws SysError of read(2) when the process has put a page into the pipe that cannot be read.
   */
  take(from: number, size: number): number {
    this.#ends ??= makePipe(this.#capacity)
    return copyPipe(from, this.#ends[1], size)
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

function makePipe(capacity: number): [read: number, write: number] {
  const ends = pipe(capacity)
  setNonblocking(ends[1])
  return ends
}
