/** Bytes whose memory belongs to a handler, which uses it again. */
export interface Lent {
  readonly bytes: Uint8Array
  /** To be called once nobody reads them any more; says whether the stream has accepted them. Safe to call again. */
  giveBack(isSent: boolean): void
}

/** An answer that is one field of bytes, and those are {@link Lent}: they are sent from where they are. */
export class LentAnswer {
  readonly field: number
  readonly lent: Lent

  constructor(field: number, lent: Lent) {
    this.field = field
    this.lent = lent
  }
}

/** To be called with an answer that nobody gets. */
export function letGo(answer: unknown): void {
  if (answer instanceof LentAnswer) answer.lent.giveBack(false)
}
