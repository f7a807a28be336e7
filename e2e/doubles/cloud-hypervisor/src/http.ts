/** The server side of HTTP/1.1 as the real program's server speaks it: kept connections, descriptors beside requests. */

import { receive, send } from 'double'
import { accept, close } from 'syscalls'
import { events, type Loop } from '../../../../guest/agent/src/loop.ts'

export interface Request {
  readonly method: string
  /** Without `/api/v1/`. */
  readonly command: string
  readonly body: string
  readonly fds: readonly number[]
}

export interface Response {
  readonly status: number
  readonly body?: unknown
}

const prefix = '/api/v1/'
const longestRequest = 51_200

/** Serves every connection that `listener` accepts; requests of one are answered in their order. */
export function serveHttp(
  loop: Loop,
  listener: number,
  handle: (request: Request) => Promise<Response>,
): void {
  loop.watch(listener, events.in, () => {
    const fd = accept(listener)
    if (fd !== null) serveConnection(loop, fd, handle)
  })
}

function serveConnection(loop: Loop, fd: number, handle: (request: Request) => Promise<Response>): void {
  let text = ''
  let fds: number[] = []
  let turn = Promise.resolve()
  const end = () => {
    loop.forget(fd)
    close(fd)
  }
  const answer = async (request: Request) => {
    const response = await handle(request)
    try {
      send(fd, encode(response), [])
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
      const parsed = parse(text)
      if (parsed === 'malformed' || text.length > longestRequest) return end()
      if (parsed === undefined) return
      const request = { ...parsed.request, fds }
      text = parsed.rest
      fds = []
      turn = turn.then(() => answer(request))
    }
  })
}

type Parsed = { request: Omit<Request, 'fds'>; rest: string }

function parse(text: string): Parsed | 'malformed' | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...headers] = text.slice(0, end).split('\r\n')
  const line = /^(GET|PUT) (\S+) HTTP\/1\.1$/.exec(first)
  if (line === null || !line[2]!.startsWith(prefix)) return 'malformed'
  const length = Number(
    headers.map((header) => /^content-length: *(\d+)$/i.exec(header)?.[1]).find(Boolean) ?? 0,
  )
  const start = end + 4
  if (text.length < start + length) return undefined
  const request = {
    method: line[1]!,
    command: line[2]!.slice(prefix.length),
    body: text.slice(start, start + length),
  }
  return { request, rest: text.slice(start + length) }
}

function encode({ status, body }: Response): string {
  const head = `HTTP/1.1 ${status} \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n`
  if (body === undefined) return `${head}\r\n`
  const text = JSON.stringify(body)
  return `${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}
