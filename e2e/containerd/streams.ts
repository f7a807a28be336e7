import { slow } from '../harness/time.ts'

/** The streams behind Exec, Attach and PortForward: kubelet's channel protocol over a web socket. */

/** First byte of every message of exec and attach. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const
const protocol = 'v4.channel.k8s.io'
const deadlineMs = slow(60_000)

export class RemoteProcess {
  stdout = ''
  stderr = ''
  /** The status that ends the stream: `Success`, or `Failure` with the exit code in it. */
  readonly ended: Promise<{ status: string; exitCode: number }>
  readonly #socket: WebSocket
  readonly #open: Promise<void>

  /** `url` is what the call answered. */
  constructor(url: string) {
    this.#socket = openSocket(url)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#open = promise
    this.#socket.onopen = () => resolve()
    this.ended = withDeadline(
      new Promise((resolve, reject) => {
        this.#socket.onmessage = ({ data }) => {
          const status = this.#take(new Uint8Array(data as ArrayBuffer))
          if (status !== undefined) resolve(status)
        }
        this.#socket.onclose = ({ code, reason }) => reject(new Error(`stream closed: ${code} ${reason}`))
      }),
    )
    this.ended.catch(() => {})
  }

  async write(text: string): Promise<void> {
    await this.#send(channels.stdin, text)
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#send(channels.resize, JSON.stringify({ Width: columns, Height: rows }))
  }

  close(): void {
    this.#socket.close()
  }

  async #send(channel: number, text: string): Promise<void> {
    await this.#open
    this.#socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]))
  }

  #take(message: Uint8Array): { status: string; exitCode: number } | undefined {
    const text = Buffer.from(message.subarray(1)).toString()
    if (message[0] === channels.stdout) this.stdout += text
    else if (message[0] === channels.stderr) this.stderr += text
    else if (message[0] === channels.error && text !== '') {
      const { status, details } = JSON.parse(text) as {
        status: string
        details?: { causes: { message: string }[] }
      }
      return { status, exitCode: Number(details?.causes[0]?.message ?? 0) }
    }
    return undefined
  }
}

/** One port of a PortForward, as a byte stream: two channels a port, of which the first carries data both ways. */
export class ForwardedPort {
  received = ''
  readonly #socket: WebSocket
  readonly #ready: Promise<void>

  /** `url` is what PortForward answered. */
  constructor(url: string, port: number) {
    this.#socket = openSocket(`${url}?port=${port}`)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ready = promise
    const greeted = new Set<number>()
    this.#socket.onmessage = ({ data }) => {
      const message = new Uint8Array(data as ArrayBuffer)
      const channel = message[0]!
      // Each channel first says its port.
      if (greeted.has(channel)) this.received += Buffer.from(message.subarray(1)).toString()
      else greeted.add(channel)
      if (greeted.size === 2) resolve()
    }
  }

  async write(text: string): Promise<void> {
    await withDeadline(this.#ready)
    this.#socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(text)]))
  }

  close(): void {
    this.#socket.close()
  }
}

function openSocket(url: string): WebSocket {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocol)
  socket.binaryType = 'arraybuffer'
  return socket
}

function withDeadline<T>(work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    Bun.sleep(deadlineMs).then(() => {
      throw new Error(`no end within ${deadlineMs} ms`)
    }),
  ])
}
