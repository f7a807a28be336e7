/** The name server of one container, over UDP and TCP. What it says is answer.ts's. */
import { createSocket, type RemoteInfo } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { deadline } from '../../time.ts'
import { type AnswerOptions, Answers } from './answer.ts'
import { datagramBytes } from './message.ts'
import { framed, messageBytes, unframed } from './stream.ts'

/** Connections at a time; the kernel refuses none of the others, and they are closed at once. */
const mostConnections = 16
/** How long one may last, milliseconds. */
const connectionMs = 30_000
/** Questions that were sent without waiting for answers, and answers that were not read. */
const mostUnreadBytes = 8 * (datagramBytes + 2)
const mostUnsentBytes = 2 * messageBytes

export interface ResolverOptions extends AnswerOptions {
  readonly listen: string
  /** 0: any, the same for both. */
  readonly port: number
}

export interface Resolver extends Disposable {
  readonly port: number
}

/** How often another port is tried, where any will do. */
const mostTries = 10

/** Resolves once it listens. */
export async function startResolver(options: ResolverOptions): Promise<Resolver> {
  for (let tries = 1; ; tries++)
    try {
      return await listenOnBoth(options)
    } catch (error) {
      // The port that UDP got is taken with TCP.
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || options.port !== 0 || tries === mostTries) throw error
    }
}

async function listenOnBoth(options: ResolverOptions): Promise<Resolver> {
  const answers = new Answers(options)
  const udp = createSocket('udp4')
  udp.on('message', (message: Buffer, from: RemoteInfo) => {
    void answers.to(message, 'udp').then((answer) => {
      if (answer !== undefined) udp.send(answer, from.port, from.address, () => {})
    })
  })
  await new Promise<void>((resolve, reject) => {
    // For good: later ones tell of clients that closed their sockets before they had their answers.
    udp.on('error', reject)
    udp.bind(options.port, options.listen, () => resolve())
  })
  const { port } = udp.address()
  const tcp = createServer((socket) => serveConnection(socket, answers))
  tcp.maxConnections = mostConnections
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject)
    tcp.listen(port, options.listen, () => resolve())
  }).catch((error) => {
    udp.close()
    throw error
  })
  return {
    port,
    [Symbol.dispose]() {
      udp.close()
      tcp.close()
    },
  }
}

/** One question after the other. A client that sends what no question is, or much at once, is left. */
function serveConnection(socket: Socket, answers: Answers): void {
  let received: Buffer = Buffer.alloc(0)
  let busy = false
  const over = deadline(connectionMs)
  const end = () => socket.destroy()
  over.addEventListener('abort', end)
  socket.on('error', end)
  socket.on('close', () => over.removeEventListener('abort', end))
  const serve = async () => {
    busy = true
    for (let next = unframed(received); next !== undefined; next = unframed(received)) {
      received = next.rest
      const answer = await answers.to(next.message, 'tcp')
      if (answer === undefined || socket.destroyed || socket.writableLength > mostUnsentBytes) return end()
      socket.write(framed(answer))
    }
    busy = false
  }
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length > mostUnreadBytes) end()
    else if (!busy) void serve()
  })
}
