/** Bytes of a stream to its lines, with a limit on what an endless line may cost. */
import { protocolError } from '../../monitor/answers.ts'
import { maxLineBytes } from './qmp-message.ts'

export class LineSplitter {
  readonly #limit: number
  #parts: Buffer[] = []
  #size = 0

  constructor(limit: number = maxLineBytes) {
    this.#limit = limit
  }

  /** The lines that `bytes` completes, without their ends; empty ones are left out. @throws KataError VMM_PROTOCOL. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = []
    let rest = Buffer.from(bytes)
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#keep(rest.subarray(0, end))
      const line = Buffer.concat(this.#parts).toString('utf8').trim()
      if (line !== '') lines.push(line)
      this.#parts = []
      this.#size = 0
      rest = rest.subarray(end + 1)
    }
    this.#keep(rest)
    return lines
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#size += part.length
    if (this.#size > this.#limit) throw protocolError(`a line of more than ${this.#limit} bytes`)
    this.#parts.push(part)
  }
}
