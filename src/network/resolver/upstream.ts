/** Asks the host's name server. What it says is not trusted, and may not come at all. */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { within } from '../../time.ts'
import { framed, unframed } from './stream.ts'

export interface Upstream {
  readonly address: string
  readonly port: number
  /** How long it may take, milliseconds. */
  readonly answerMs: number
}

export type Transport = 'udp' | 'tcp'

/** What `read` makes of the first answer for which it has something; undefined when none came in time. */
export function ask<T>(
  query: Buffer,
  transport: Transport,
  upstream: Upstream,
  read: (message: Buffer) => T | undefined,
): Promise<T | undefined> {
  return transport === 'udp' ? askOverUdp(query, upstream, read) : askOverTcp(query, upstream, read)
}

/** A socket for each question: its port is a secret besides the number of the query. */
async function askOverUdp<T>(
  query: Buffer,
  { address, port, answerMs }: Upstream,
  read: (message: Buffer) => T | undefined,
): Promise<T | undefined> {
  const socket = createSocket('udp4')
  try {
    const answered = new Promise<T | undefined>((resolve) => {
      socket.on('error', () => resolve(undefined))
      socket.on('message', (message: Buffer, from) => {
        const answer = from.address === address && from.port === port ? read(message) : undefined
        if (answer !== undefined) resolve(answer)
      })
    })
    socket.send(query, port, address)
    return await within(answered, answerMs)
  } finally {
    socket.close()
  }
}

async function askOverTcp<T>(
  query: Buffer,
  { address, port, answerMs }: Upstream,
  read: (message: Buffer) => T | undefined,
): Promise<T | undefined> {
  const socket = connect({ host: address, port })
  try {
    const answered = new Promise<T | undefined>((resolve) => {
      let received: Buffer = Buffer.alloc(0)
      socket.on('error', () => resolve(undefined))
      socket.on('close', () => resolve(undefined))
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        const whole = unframed(received)
        // One question was asked: whatever comes first is all that is read.
        if (whole !== undefined) resolve(read(whole.message))
      })
      socket.write(framed(query))
    })
    return await within(answered, answerMs)
  } finally {
    socket.destroy()
  }
}
