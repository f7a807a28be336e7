/**
 * The name server of one container that may reach some names only. It asks the host's name server for these and for nothing else, and
 * has the addresses opened before it gives them to the container.
 */

import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { AllowedHost } from '../../bundle/network.ts'
import { within } from '../../time.ts'
import { isPublic, openSeconds, portsOf } from '../egress/egress.ts'
import {
  type Answer,
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
/** Questions at a time; more go unanswered, and are asked again. */
const mostQuestions = 64

export interface ResolverOptions {
  readonly listen: string
  readonly port: number
  /** The host's name server. */
  readonly upstream: string
  readonly upstreamPort?: number
  readonly allowed: readonly AllowedHost[]
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
    void answerTo(query, options)
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

async function answerTo(query: Query, options: ResolverOptions): Promise<Buffer> {
  const ports = portsOf(options.allowed, query.name)
  if (ports.length === 0) return writeAnswer(query, responseCode.refused)
  // There is no IPv6, and the other records are a way to carry data.
  if (query.type !== typeA) return writeAnswer(query, responseCode.none)
  const answer = await ask(query, options)
  if (answer === undefined) return writeAnswer(query, responseCode.serverFailure)
  const given = answer.addresses.filter(({ address }) => isPublic(address))
  if (given.length === 0)
    return writeAnswer(query, answer.addresses.length > 0 ? responseCode.refused : answer.code)
  const addresses = given.map(({ address, ttl }) => ({ address, ttl: openSeconds(ttl) }))
  await options.open(addresses, ports)
  return writeAnswer(query, responseCode.none, addresses)
}

/** A socket for each question: its port is a secret besides the number of the query. */
async function ask(
  { question }: Query,
  { upstream, upstreamPort = 53 }: ResolverOptions,
): Promise<Answer | undefined> {
  const socket = createSocket('udp4')
  try {
    const id = randomInt(0x10000)
    const answered = new Promise<Answer | undefined>((resolve) => {
      socket.on('error', () => resolve(undefined))
      socket.on('message', (message: Buffer, { address, port }) => {
        const answer =
          address === upstream && port === upstreamPort ? readAnswer(message, id, question) : undefined
        if (answer !== undefined) resolve(answer)
      })
    })
    socket.send(writeQuery(id, question), upstreamPort, upstream)
    return await within(answered, answerMs)
  } finally {
    socket.close()
  }
}
