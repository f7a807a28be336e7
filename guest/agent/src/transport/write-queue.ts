/** What waits until a descriptor takes it, in order: bytes, and behind some of them a {@link Tail}. */
import { write } from 'syscalls'
import type { Tail } from '../../../../src/ttrpc/ttrpc.ts'
import { Staging } from './staging.ts'

interface Waiting {
  readonly bytes: Uint8Array
  offset: number
  /** What follows `bytes`, and how much of it is still where it was. */
  readonly tail: Tail | undefined
  left: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class WriteQueue {
  readonly #fd: number
  readonly #staging: Staging
  readonly #waiting: Waiting[] = []
  #over: Error | undefined

  /** `fd` does not block. */
  constructor(fd: number) {
    this.#fd = fd
    this.#staging = new Staging(fd)
  }

  /** How many writes wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** Resolves when all of it went, and rejects with the error of {@link close}. Nothing goes before {@link flush}. */
  add(bytes: Uint8Array, tail?: Tail): Promise<void> {
    if (this.#over !== undefined) {
      tail?.over()
      return Promise.reject(this.#over)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, offset: 0, tail, left: tail?.bytes ?? 0, resolve, reject })
    })
  }

  /** Writes what the descriptor takes now. @throws SysError of write(2) and splice(2). */
  flush(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#writeWhole(first)) return
      this.#waiting.shift()
      first.tail?.over()
      first.resolve()
    }
  }

  /** Gives up what waits, and what would come. Once. */
  close(error: Error): void {
    this.#over = error
    for (const { tail, reject } of this.#waiting.splice(0)) {
      tail?.over()
      reject(error)
    }
    this.#staging.close()
  }

  /** Whether all of it went. */
  #writeWhole(entry: Waiting): boolean {
    while (entry.offset < entry.bytes.length) {
      const count = write(this.#fd, entry.bytes, entry.offset)
      if (count === 0) return false
      entry.offset += count
    }
    if (entry.tail === undefined) return true
    const { left, isBlocked } = this.#staging.move(entry.tail.fd, entry.left)
    entry.left = left
    return !isBlocked
  }
}
