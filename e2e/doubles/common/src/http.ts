/** The server side of HTTP/1.1 as the real programs' server speaks it: kept connections, descriptors beside requests. */

import { receive, send } from 'double'
import { accept, close } from 'syscalls'
import { events, type Loop } from '../../../../guest/agent/src/devices/loop.ts'

export interface Request {
  readonly method: string
  /** The path without {@link HttpApi.prefix}. */
  readonly command: string
  readonly body: string
  readonly fds: readonly number[]
}

export interface Response {
  readonly status: number
  readonly body?: unknown
}

/** What tells one program's API from another's. */
export interface HttpApi {
  /** What every path begins with. */
  readonly prefix: string
  /** As it calls itself. */
  readonly server: string
  handle(request: Request): Promise<Response>
}

/** The answer to a request: what came of it, or what went wrong. */
export async function answerWith(
  perform: () => Promise<unknown> | unknown,
  failed: (error: Error) => Response,
): Promise<Response> {
  try {
    const body = await perform()
    return body === undefined ? { status: 204 } : { status: 200, body }
  } catch (error) {
    return failed(error as Error)
  }
}

const longestRequest = 51_200

/** Serves every connection that `listener` accepts; requests of one are answered in their order. */
export function serveHttp(loop: Loop, listener: number, api: HttpApi): void {
  loop.watch(listener, events.in, () => {
    const fd = accept(listener)
    if (fd !== null) serveConnection(loop, fd, api)
  })
}

function serveConnection(loop: Loop, fd: number, api: HttpApi): void {
  let text = ''
  let fds: number[] = []
  let turn = Promise.resolve()
  const end = () => {
    loop.forget(fd)
    close(fd)
  }
  const answer = async (request: Request) => {
    const response = await api.handle(request)
    try {
      send(fd, encode(response, api.server), [])
    } catch {
      // Who asked is gone.
    }
  }
  loop.watch(fd, events.in, () => {
    const message = receive(fd)
    if (message === null) return
    if (message.text === '') return end()
    text += message.text
    fds.push(...message.fds)
    for (;;) {
      const parsed = parse(text, api.prefix)
      if (parsed === 'malformed' || text.length > longestRequest) return end()
      if (parsed === undefined) return
      if ('refused' in parsed) {
        turn = turn.then(() => send(fd, encodeRefusal(parsed.refused, api.server), []))
        if (parsed.isLast) return void turn.then(end)
        text = ''
        continue
      }
      const request = { ...parsed.request, fds }
      text = parsed.rest
      fds = []
      turn = turn.then(() => answer(request))
    }
  })
}

type Parsed = { request: Omit<Request, 'fds'>; rest: string } | { refused: string; isLast: boolean }

function parse(text: string, prefix: string): Parsed | 'malformed' | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...headers] = text.slice(0, end).split('\r\n')
  if (/^[A-Z]+ \S+ HTTP\/1\.1$/.test(first) && !/^(GET|PUT|PATCH) /.test(first))
    return { refused: 'Invalid HTTP Method: Unsupported HTTP method.', isLast: false }
  const line = /^(GET|PUT|PATCH) (\S+) HTTP\/1\.1$/.exec(first)
  if (line === null || !line[2]!.startsWith(prefix)) return 'malformed'
  const length = Number(
    headers.map((header) => /^content-length: *(\d+)$/i.exec(header)?.[1]).find(Boolean) ?? 0,
  )
  const start = end + 4
  if (length > longestRequest) {
    const limit = `larger than the limit of ${longestRequest} allowed by server.`
    return { refused: `Request payload with size ${length} is ${limit}`, isLast: true }
  }
  if (text.length < start + length) return undefined
  const request = {
    method: line[1]!,
    command: line[2]!.slice(prefix.length),
    body: text.slice(start, start + length),
  }
  return { request, rest: text.slice(start + length) }
}

/** What the server itself refuses, before any request is seen. */
function encodeRefusal(reason: string, server: string): string {
  const text = `{ "error": "${reason}\nAll previous unanswered requests will be dropped." }`
  const head = `HTTP/1.1 400 \r\nServer: ${server}\r\nConnection: keep-alive\r\n`
  return `${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}

function encode({ status, body }: Response, server: string): string {
  const head = `HTTP/1.1 ${status} \r\nServer: ${server}\r\nConnection: keep-alive\r\n`
  if (body === undefined && status === 204) return `${head}\r\n`
  const text = body === undefined ? '' : JSON.stringify(body)
  return `${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}
