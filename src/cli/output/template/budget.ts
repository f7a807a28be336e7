/**
 * What a template may take. Root renders those of members of the service's group, too, and blocks within blocks multiply: without a bound a
 * line of text keeps a processor busy for ever.
 */
import { invalidTemplate } from './parse.ts'

/** Parts that are evaluated: texts, values, the arguments of functions, entries of lists. A second or less. */
const mostSteps = 1_000_000
/** Characters of texts that are made or looked at, those that are not printed in the end among them. */
const mostText = 1 << 22

export class Budget {
  #steps = mostSteps
  #text = mostText

  /** @throws KataError TEMPLATE_INVALID when no more are left. */
  steps(count: number, template: string): void {
    this.#steps -= count
    if (this.#steps < 0) throw invalidTemplate(template, `it takes more than ${mostSteps} steps`)
  }

  /** @throws KataError TEMPLATE_INVALID when no more are left. */
  text(length: number, template: string): void {
    this.#text -= length
    if (this.#text < 0) throw invalidTemplate(template, `it makes more than ${mostText} characters`)
  }
}
