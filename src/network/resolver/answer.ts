/**
 * What the name server of one container says. It knows the others on the container's network. For the rest it asks the host's name
 * server; when the container may reach some names only it asks for these and for nothing else, and has the addresses opened before it
 * gives them to the container.
 */
import { randomInt } from 'node:crypto'
import type { AllowedHost } from '../../bundle/network.ts'
import { isPublic, openSeconds, portsOf } from '../egress/egress.ts'
import {
  type Answer,
  addressRecord,
  datagramBytes,
  isAnswerTo,
  type Query,
  readAnswer,
  readQuery,
  recordType,
  responseCode,
  writeAnswer,
  writeQuery,
  writeRefusal,
} from './message.ts'
import { answerOwn, type OwnNames } from './own-names.ts'
import { messageBytes } from './stream.ts'
import { ask, type Transport, type Upstream } from './upstream.ts'

/** Questions that wait for the host's name server at a time; more have a failure for an answer. */
const mostQuestions = 64

/** The largest answer. */
const mostBytes: Readonly<Record<Transport, number>> = { udp: datagramBytes, tcp: messageBytes }

export interface AnswerOptions {
  /** The host's name server. */
  readonly upstream: Upstream
  /** Absent: all names. */
  readonly allowed?: readonly AllowedHost[] | undefined
  /** Absent: the container has its network alone. */
  readonly own?: OwnNames | undefined
  /** Whether names may lead to IPv6 addresses when some are allowed only. */
  readonly ipv6: boolean
  /** Opens addresses at these ports, for as long as each says. */
  readonly open: (
    addresses: readonly { readonly address: string; readonly ttl: number }[],
    ports: readonly (number | undefined)[],
  ) => Promise<void>
}

export class Answers {
  readonly #options: AnswerOptions
  #waiting = 0

  constructor(options: AnswerOptions) {
    this.#options = options
  }

  /** Every query has an answer, in bounded time and of bounded size; undefined for a message that wants none. */
  async to(message: Buffer, transport: Transport): Promise<Buffer | undefined> {
    const query = readQuery(message)
    if (query === undefined) return writeRefusal(message)
    const { own } = this.#options
    try {
      const known = own && answerOwn(query, own, mostBytes[transport])
      return known ?? (await this.#fromOutside(query, message, transport))
    } catch {
      return writeAnswer(query, responseCode.serverFailure)
    }
  }

  async #fromOutside(query: Query, message: Buffer, transport: Transport): Promise<Buffer> {
    const failure = writeAnswer(query, responseCode.serverFailure)
    if (this.#waiting >= mostQuestions) return failure
    const { allowed } = this.#options
    this.#waiting++
    try {
      if (allowed !== undefined)
        return await answerAllowed(query, portsOf(allowed, query.name), transport, this.#options)
      return (await relay(query, message, transport, this.#options)) ?? failure
    } finally {
      this.#waiting--
    }
  }
}

async function answerAllowed(
  query: Query,
  ports: readonly (number | undefined)[],
  transport: Transport,
  options: AnswerOptions,
): Promise<Buffer> {
  if (ports.length === 0) return writeAnswer(query, responseCode.refused)
  // The other records are a way to carry data.
  if (query.type !== recordType.a && !(query.type === recordType.aaaa && options.ipv6))
    return writeAnswer(query, responseCode.none)
  const answer = await askAbout(query, options)
  if (answer === undefined) return writeAnswer(query, responseCode.serverFailure)
  const given = answer.addresses.filter(({ address }) => isPublic(address))
  if (given.length === 0)
    return writeAnswer(query, answer.addresses.length > 0 ? responseCode.refused : answer.code)
  const addresses = given.map(({ address, ttl }) => ({ address, ttl: openSeconds(ttl) }))
  await options.open(addresses, ports)
  return writeAnswer(query, responseCode.none, addresses.map(addressRecord), mostBytes[transport])
}

/** An answer that did not fit is asked for over TCP; some addresses are better than none. */
async function askAbout({ question }: Query, { upstream }: AnswerOptions): Promise<Answer | undefined> {
  const over = (transport: Transport) => {
    const id = randomInt(0x10000)
    return ask(writeQuery(id, question), transport, upstream, (message) => readAnswer(message, id, question))
  }
  const answer = await over('udp')
  return answer?.truncated === true ? ((await over('tcp')) ?? answer) : answer
}

/** The question as the container wrote it, and the answer as it came, but for their number. */
function relay(
  { id, question }: Query,
  message: Buffer,
  transport: Transport,
  { upstream }: AnswerOptions,
): Promise<Buffer | undefined> {
  const own = randomInt(0x10000)
  const numbered = (from: Buffer, number: number) => {
    const copy = Buffer.from(from)
    copy.writeUInt16BE(number, 0)
    return copy
  }
  return ask(numbered(message, own), transport, upstream, (answer) =>
    isAnswerTo(answer, own, question) ? numbered(answer, id) : undefined,
  )
}
