/**
 * What a guest writes on its console, or a VMM on its own output: the tail for reports, and a log file. Both are
 * bounded, because a hostile guest may write without end.
 */
import { closeSync, openSync, renameSync, writeSync } from 'node:fs'
import type { Socket } from 'bun'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'

/** Bytes kept for {@link ConsoleLog.tail}. */
const tailBytes = 8 * 1024
/** Size at which the log file is put aside as `<path>.1`; so at most twice as much is on disk. */
const maxFileBytes = 512 * 1024

export class ConsoleLog {
  /** Settles when the other end of all that it reads is closed: nothing more will come. */
  readonly closed: Promise<void>
  #sources = 1
  readonly #path: string
  readonly #seen: (tail: Buffer) => void
  readonly #closing = Promise.withResolvers<void>()
  #socket: Socket<undefined> | undefined
  #tail = Buffer.alloc(0)
  #file: number | undefined
  #fileBytes = 0

  private constructor(path: string, seen: (tail: Buffer) => void) {
    this.#path = path
    this.#seen = seen
    this.closed = this.#closing.promise
  }

  /**
   * Reads from a connected descriptor, which it takes over, until the other end closes it. `seen` gets the tail whenever
   * something has come, as it is.
   */
  static async open(fd: number, path: string, seen: (tail: Buffer) => void = () => {}): Promise<ConsoleLog> {
    const log = new ConsoleLog(path, seen)
    log.#socket = await adoptSocket(fd, {
      data: (_, bytes) => log.#receive(bytes),
      end: (socket) => void socket.end(),
      close: () => log.#sourceEnded(),
      error: () => {},
    })
    return log
  }

  /** Keeps what comes through a pipe as well, whose reading end it takes over, until nobody has the other one open. */
  async alsoFrom(pipe: number): Promise<void> {
    this.#sources += 1
    try {
      for await (const bytes of Bun.file(pipe).stream()) this.#receive(bytes)
    } finally {
      closeSync(pipe)
      this.#sourceEnded()
    }
  }

  /** Stops reading. */
  close(): void {
    this.#socket?.end()
  }

  /** The last lines as plain text: what could drive the reader's terminal is taken out. */
  tail(): string {
    return printable(this.#tail.toString('utf8'))
  }

  #receive(bytes: Uint8Array): void {
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-tailBytes)
    this.#seen(this.#tail)
    try {
      this.#write(bytes)
    } catch {
      // A full disk costs the file, not the machine; the tail stays.
    }
  }

  #write(bytes: Uint8Array): void {
    this.#file ??= openSync(this.#path, 'a', 0o600)
    writeSync(this.#file, bytes)
    this.#fileBytes += bytes.length
    if (this.#fileBytes < maxFileBytes) return
    this.#closeFile()
    renameSync(this.#path, `${this.#path}.1`)
  }

  #sourceEnded(): void {
    this.#sources -= 1
    if (this.#sources > 0) return
    this.#closeFile()
    this.#closing.resolve()
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
    this.#fileBytes = 0
  }
}

/** Without escape sequences, control characters other than newline and tab, and those that turn the direction of writing. */
export function printable(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
      .replace(/\x1b(\[[0-9;?]*[ -/]*[@-~]|.)?/g, '')
      .replace(/[^\P{Cc}\n\t]|\p{Bidi_Control}/gu, '')
  )
}
