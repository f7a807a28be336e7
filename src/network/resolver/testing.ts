/** Clients and name servers for tests, as bytes: they say what no library would. */
import { createSocket } from 'node:dgram'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { framed, unframed } from './stream.ts'

export const localhost = '127.0.0.1'

/** The name as a question or a record has it. */
export const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.of(0),
  ])

export const questionOf = (name: string, type = 1): Buffer =>
  Buffer.concat([nameOf(name), Buffer.of(0, type, 0, 1)])

/** A query as a client writes it. */
export const queryOf = (name: string, type = 1, id = 7): Buffer =>
  Buffer.concat([Buffer.of(0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), questionOf(name, type)])

/** What comes back over UDP; undefined when nothing does while `ms` milliseconds pass. */
export async function askUdp(port: number, message: Buffer, ms = 5000): Promise<Buffer | undefined> {
  const socket = createSocket('udp4')
  try {
    return await new Promise((resolve) => {
      socket.on('message', resolve)
      socket.send(message, port, localhost)
      setTimeout(resolve, ms)
    })
  } finally {
    socket.close()
  }
}

/** Sends it and is gone. */
export async function sayUdp(port: number, message: Buffer): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.send(message, port, localhost, () => resolve()))
  socket.close()
}

/** What comes back over TCP: the first message, or undefined when the server closes. */
export function askTcp(port: number, bytes: Buffer, socket: Socket = connect(port, localhost)) {
  return new Promise<Buffer | undefined>((resolve) => {
    let received: Buffer = Buffer.alloc(0)
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const whole = unframed(received)
      if (whole !== undefined) resolve(whole.message)
    })
    socket.write(bytes)
  }).finally(() => socket.destroy())
}

export const codeOf = (answer: Buffer | undefined): number | undefined =>
  answer && answer.readUInt16BE(2) & 0xf
export const countOf = (answer: Buffer | undefined): number | undefined => answer?.readUInt16BE(6)
export const isCut = (answer: Buffer | undefined): boolean => ((answer?.readUInt16BE(2) ?? 0) & 0x0200) !== 0

export interface Upstreamed extends Disposable {
  readonly port: number
  /** How many questions came, over each. */
  readonly asked: { udp: number; tcp: number }
}

type Reply = ((query: Buffer) => Buffer) | undefined

/** The host's name server, which answers so over UDP and TCP, or not at all. */
export async function serveUpstream(udpReply: Reply, tcpReply: Reply = udpReply): Promise<Upstreamed> {
  for (;;)
    try {
      return await upstreamOnBoth(udpReply, tcpReply)
    } catch (error) {
      // Somebody has the port that TCP got with UDP.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
}

/** With TCP first: many ports are taken there for a minute, by connections that were closed. */
async function upstreamOnBoth(udpReply: Reply, tcpReply: Reply): Promise<Upstreamed> {
  const asked = { udp: 0, tcp: 0 }
  const tcp = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      asked.tcp++
      if (tcpReply !== undefined) socket.write(framed(tcpReply(unframed(chunk)!.message)))
    })
  })
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject)
    tcp.listen(0, localhost, resolve)
  })
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4')
  udp.on('message', (query, from) => {
    asked.udp++
    if (udpReply !== undefined) udp.send(udpReply(query), from.port, from.address)
  })
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject)
    udp.bind(port, localhost, resolve)
  }).catch((error) => {
    tcp.close()
    throw error
  })
  const close = () => {
    udp.close()
    tcp.close()
  }
  return { port, asked, [Symbol.dispose]: close }
}
