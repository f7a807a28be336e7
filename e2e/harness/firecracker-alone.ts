/** Firecracker, or its double, by itself: no jailer, no driver; asked by bytes. */
import { connect } from 'node:net'
import { eventually } from './kata.ts'

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

export interface Alone extends AsyncDisposable {
  /** On a connection of its own. */
  ask(asked: Pick<Answered, 'request' | 'body'>): Promise<Pick<Answered, 'head' | 'answer'>>
}

export async function startAlone(path: string, apiSocket: string): Promise<Alone> {
  const child = Bun.spawn([path, '--api-sock', apiSocket], { stdio: ['ignore', 'ignore', 'ignore'] })
  const isThere = () => ask(apiSocket, { request: 'GET /', body: null }).catch(() => undefined)
  await eventually('the API', isThere)
  return {
    ask: (asked) => ask(apiSocket, asked),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

function ask(
  path: string,
  { request, body }: Pick<Answered, 'request' | 'body'>,
): Promise<Pick<Answered, 'head' | 'answer'>> {
  const text = body === null ? '' : typeof body === 'string' ? body : spaced(body)
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

/** JSON as the recorder wrote it: answers tell in which column a fault is. */
function spaced(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
    .join(', ')}}`
}
