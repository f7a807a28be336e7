/** TCP on the test's side: a server that sends back what it gets, and a client that wants its bytes back. */

import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { slow } from '../time.ts'

export async function echoServer(address: string): Promise<{ port: number } & Disposable> {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { port, [Symbol.dispose]: () => server.close() }
}

/** Sends the bytes, ends, and returns what came back until the other side's end. @throws Error when it breaks before. */
export async function exchange(address: string, port: number, bytes: Buffer): Promise<Buffer> {
  const socket = createConnection({ host: address, port })
  socket.setTimeout(slow(120_000), () => socket.destroy(new Error('silence')))
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.end(bytes)
  await once(socket, 'close')
  const back = Buffer.concat(chunks)
  if (back.length === 0) throw new Error('nothing came back')
  return back
}
