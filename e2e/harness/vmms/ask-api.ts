/** Asks a VMM's API by bytes, each request on a connection of its own, as the recorder of e2e/recordings did. */
import { connect } from 'node:net'

/** A recorded request with what it was answered. */
export interface Answered {
  /** Method and path. */
  readonly request: string
  /** Text where it was no JSON, null where there was none. */
  readonly body: object | string | null
  /** Lines, without their ends. */
  readonly head: readonly string[]
  readonly answer: string
}

/** `encode` writes a body that is no text. */
export function askApi(
  path: string,
  { request, body }: Pick<Answered, 'request' | 'body'>,
  encode: (body: object) => string = JSON.stringify,
): Promise<Pick<Answered, 'head' | 'answer'>> {
  const text = body === null ? '' : typeof body === 'string' ? body : encode(body)
  const length = body === null ? '' : `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`
  const { promise, resolve, reject } = Promise.withResolvers<Pick<Answered, 'head' | 'answer'>>()
  let got = ''
  const socket = connect(path, () => {
    socket.write(`${request} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n${length}\r\n${text}`)
  })
  socket.on('data', (bytes) => {
    got += bytes.toString()
    const end = got.indexOf('\r\n\r\n')
    const expected = Number(/^content-length: (\d+)/im.exec(got.slice(0, end))?.[1] ?? 0)
    if (end < 0 || got.length < end + 4 + expected) return
    socket.destroy()
    resolve({ head: got.slice(0, end).split('\r\n'), answer: got.slice(end + 4, end + 4 + expected) })
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error(`the connection ended after ${JSON.stringify(got)}`)))
  return promise
}
