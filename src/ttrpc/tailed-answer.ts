/** Bytes that are not in memory: a transport that knows the descriptor brings them from there. */
export interface Tail {
  /** Where they can be read. */
  readonly fd: number
  /** How many. All of them are there. */
  readonly bytes: number
  /** To be called when they are taken, or when nobody will take them any more. Safe to call again. */
  over(): void
}

/** An answer that is one field of bytes, and those are a {@link Tail}. */
export class TailedAnswer {
  readonly field: number
  readonly tail: Tail

  constructor(field: number, tail: Tail) {
    this.field = field
    this.tail = tail
  }
}

/** To be called with an answer that nobody gets. */
export function letGo(answer: unknown): void {
  if (answer instanceof TailedAnswer) answer.tail.over()
}
