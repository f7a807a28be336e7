/**
 * The name server of one container. It knows the others on the container's network. For the rest it asks the host's name server; when
 * the container may reach some names only it asks for these and for nothing else, and has the addresses opened before it gives them
 * to the container.
 */

import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { AllowedHost } from '../../bundle/network.ts'
import { within } from '../../time.ts'
import { isPublic, openSeconds, portsOf } from '../egress/egress.ts'
import {
  type Answer,
  isAnswerTo,
  type Query,
  readAnswer,
  readQuery,
  responseCode,
  typeA,
  writeAnswer,
  writeQuery,
} from './message.ts'

/** How long the host's name server may take, milliseconds. */
const answerMs = 4000
/** Seconds that an address of a container is good for: it may end, and another one have its name. */
const memberTtl = 5
/** Questions at a time; more go unanswered, and are asked again. */
const mostQuestions = 64

export interface ResolverOptions {
  readonly listen: string
  readonly port: number
  /** The host's name server. */
  readonly upstream: string
  readonly upstreamPort?: number
  /** Absent: all names. */
  readonly allowed?: readonly AllowedHost[] | undefined
  /** Addresses of the container's network that have a name, or undefined; absent: it has its network alone. */
  readonly members?: ((name: string) => readonly string[] | undefined) | undefined
  /** Opens addresses at these ports, for as long as each says. */
  readonly open: (
    addresses: readonly { readonly address: string; readonly ttl: number }[],
    ports: readonly (number | undefined)[],
  ) => Promise<void>
}

/** Resolves once it listens. */
export async function startResolver(options: ResolverOptions): Promise<Socket> {
  const socket = createSocket('udp4')
  let questions = 0
  socket.on('message', (message: Buffer, from: RemoteInfo) => {
    const query = readQuery(message)
    if (query === undefined || questions >= mostQuestions) return
    questions++
    void answerTo(query, message, options)
      .catch(() => writeAnswer(query, responseCode.serverFailure))
      .then((answer) => socket.send(answer, from.port, from.address, () => {}))
      .finally(() => questions--)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(options.port, options.listen, () => resolve())
  })
  return socket
}

async function answerTo(query: Query, message: Buffer, options: ResolverOptions): Promise<Buffer> {
  const { allowed, members } = options
  const found = members?.(query.name)
  if (found !== undefined) {
    const addresses = query.type === typeA ? found : []
    return writeAnswer(
      query,
      responseCode.none,
      addresses.map((address) => ({ address, ttl: memberTtl })),
    )
  }
  if (allowed !== undefined) return answerAllowed(query, portsOf(allowed, query.name), options)
  return (await relay(query, message, options)) ?? writeAnswer(query, responseCode.serverFailure)
}

async function answerAllowed(
  query: Query,
  ports: readonly (number | undefined)[],
  options: ResolverOptions,
): Promise<Buffer> {
  if (ports.length === 0) return writeAnswer(query, responseCode.refused)
  // There is no IPv6, and the other records are a way to carry data.
  if (query.type !== typeA) return writeAnswer(query, responseCode.none)
  const answer = await askAbout(query, options)
  if (answer === undefined) return writeAnswer(query, responseCode.serverFailure)
  const given = answer.addresses.filter(({ address }) => isPublic(address))
  if (given.length === 0)
    return writeAnswer(query, answer.addresses.length > 0 ? responseCode.refused : answer.code)
  const addresses = given.map(({ address, ttl }) => ({ address, ttl: openSeconds(ttl) }))
  await options.open(addresses, ports)
  return writeAnswer(query, responseCode.none, addresses)
}

function askAbout({ question }: Query, options: ResolverOptions): Promise<Answer | undefined> {
  const id = randomInt(0x10000)
  return ask(writeQuery(id, question), options, (message) => readAnswer(message, id, question))
}

/** The question as the container wrote it, and the answer as it came, but for their number. */
function relay(
  { id, question }: Query,
  message: Buffer,
  options: ResolverOptions,
): Promise<Buffer | undefined> {
  const own = randomInt(0x10000)
  const numbered = (from: Buffer, number: number) => {
    const copy = Buffer.from(from)
    copy.writeUInt16BE(number, 0)
    return copy
  }
  return ask(numbered(message, own), options, (answer) =>
    isAnswerTo(answer, own, question) ? numbered(answer, id) : undefined,
  )
}

/** A socket for each question: its port is a secret besides the number of the query. */
async function ask<T>(
  query: Buffer,
  { upstream, upstreamPort = 53 }: ResolverOptions,
  read: (message: Buffer) => T | undefined,
): Promise<T | undefined> {
  const socket = createSocket('udp4')
  try {
    const answered = new Promise<T | undefined>((resolve) => {
      socket.on('error', () => resolve(undefined))
      socket.on('message', (message: Buffer, { address, port }) => {
        const answer = address === upstream && port === upstreamPort ? read(message) : undefined
        if (answer !== undefined) resolve(answer)
      })
    })
    socket.send(query, upstreamPort, upstream)
    return await within(answered, answerMs)
  } finally {
    socket.close()
  }
}
