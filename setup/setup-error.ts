/** A failure of the set-up that a person must act on. */
export class SetupError extends Error {
  readonly remedy: string
  constructor(message: string, remedy: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.remedy = remedy
  }
}
