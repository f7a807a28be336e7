/** What waits until a descriptor takes it, in order. */
import { write } from 'syscalls'

interface Waiting {
  readonly bytes: Uint8Array
  offset: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class WriteQueue {
  readonly #fd: number
  readonly #waiting: Waiting[] = []
  #over: Error | undefined

  /** `fd` does not block. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** How many writes wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** Resolves when all of it went, and rejects with the error of {@link close}. Nothing goes before {@link flush}. */
  add(bytes: Uint8Array): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, offset: 0, resolve, reject })
    })
  }

  /** Writes what the descriptor takes now. @throws SysError of write(2). */
  flush(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      first.offset += write(this.#fd, first.bytes, first.offset)
      if (first.offset < first.bytes.length) return
      this.#waiting.shift()
      first.resolve()
    }
  }

  /** Gives up what waits, and what would come. Once. */
  close(error: Error): void {
    this.#over = error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
