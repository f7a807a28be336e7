/**
 * Reads HTTP/1.1 responses (RFC 9112) from a VMM that may be hostile. Only what their server (micro_http) sends is
 * taken: a body has a Content-Length, a response without one has no body, and nothing is chunked.
 */
import { protocolError } from '../monitor/answers.ts'

export interface HttpResponse {
  readonly status: number
  readonly body: string
}

export interface HttpLimits {
  /** Bytes of status line and headers; real ones have some 150. */
  readonly head: number
  /** Bytes of a body; vm.info of a machine with many devices has some ten thousand. */
  readonly body: number
}

const httpLimits: HttpLimits = { head: 8 * 1024, body: 1024 * 1024 }

const endOfHead = '\r\n\r\n'
const statusLine = /^HTTP\/1\.[01] ([2-5]\d\d) ?[\t\x20-\x7e]*$/
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e]*)$/

export class ResponseReader {
  readonly #limits: HttpLimits
  #buffer: Buffer = Buffer.alloc(0)
  #head: { status: number; length: number } | undefined

  constructor(limits: HttpLimits = httpLimits) {
    this.#limits = limits
  }

  /** The responses that `bytes` complete. @throws KataError VMM_PROTOCOL; nothing that follows can be trusted then. */
  push(bytes: Uint8Array): HttpResponse[] {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    const responses: HttpResponse[] = []
    for (;;) {
      this.#head ??= this.#takeHead()
      if (this.#head === undefined || this.#buffer.length < this.#head.length) return responses
      const { status, length } = this.#head
      responses.push({ status, body: this.#take(length).toString('utf8') })
      this.#head = undefined
    }
  }

  #takeHead(): { status: number; length: number } | undefined {
    const end = this.#buffer.indexOf(endOfHead)
    if ((end < 0 ? this.#buffer.length : end) > this.#limits.head)
      throw protocolError(`a response head of more than ${this.#limits.head} bytes`)
    if (end < 0) return undefined
    const [first = '', ...lines] = this.#take(end + endOfHead.length)
      .toString('latin1')
      .slice(0, -endOfHead.length)
      .split('\r\n')
    const status = statusLine.exec(first)?.[1]
    if (status === undefined) throw protocolError('a response without a status line')
    return { status: Number(status), length: this.#bodyLength(Number(status), headersOf(lines)) }
  }

  #bodyLength(status: number, headers: ReadonlyMap<string, string>): number {
    if (headers.has('transfer-encoding')) throw protocolError('a response in a transfer encoding')
    const text = headers.get('content-length') ?? '0'
    if (!/^\d{1,9}$/.test(text)) throw protocolError('a Content-Length that is no number')
    const length = Number(text)
    if (length > this.#limits.body) throw protocolError(`a body of more than ${this.#limits.body} bytes`)
    if (length > 0 && (status === 204 || status === 304))
      throw protocolError(`a body with status ${status}, which has none`)
    return length
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return taken
  }
}

function headersOf(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const match = headerLine.exec(line)
    if (match === null) throw protocolError('a header line that is none')
    const name = match[1]!.toLowerCase()
    // Two lengths are how one response is made to look like another.
    if (headers.has(name) && (name === 'content-length' || name === 'transfer-encoding'))
      throw protocolError(`two headers ${name}`)
    headers.set(name, match[2]!.trim())
  }
  return headers
}
