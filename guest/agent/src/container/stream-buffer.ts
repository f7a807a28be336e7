/**
 * The stream buffer: a file in the host's memory that the share shows. Much output goes there page by page, without a copy in the guest, and
 * the host takes it out (src/sharing/stream-buffer.ts). Little output goes through the channel, and everything where there is no such file.
 */
import { setTimeout, type Timer } from 'os'
import { close, endTransfer, nameErrno, read, startTransfer } from 'syscalls'
import { events, type Loop } from '../devices/loop.ts'

/** A part of the buffer that the host has set aside for an answer, bytes. */
export interface BufferPlace {
  readonly offset: number
  readonly size: number
}

export interface Moved {
  /** Bytes in the buffer. */
  readonly count: number
  /** What has left the pipe, too, and did not get there. It comes next. */
  readonly rest: Uint8Array<ArrayBuffer>
  /** What comes after that cannot be read: a page that has lost its content. */
  readonly failure?: unknown
}

/** So much is read at once of what did not get into the buffer. */
const mostRead = 64 * 1024
/** The file stays open so long for the next output. */
const idleMilliseconds = 1000

const nothing = new Uint8Array(0)

export class StreamBuffer {
  readonly #path: string
  /** -1 while nobody has it open: then the next transfer opens it, which may take as long as the host takes. */
  #file = -1
  #underWay = 0
  #wasUsed = false
  #idle: Timer | undefined
  #works = true

  constructor(path: string) {
    this.#path = path
  }

  /** False once it has failed. What did not get there went through the channel, as all that follows. */
  get works(): boolean {
    return this.#works
  }

  /** Moves what a pipe holds, and what comes meanwhile. Never fails. */
  async move(loop: Loop, pipe: number, place: BufferPlace): Promise<Moved> {
    const over = this.#start(pipe, place)
    if (over === undefined) return { count: 0, rest: nothing }
    await new Promise<void>((resolve) => loop.once(over, events.in, () => resolve()))
    loop.forget(over)
    const [count, errno, rest, file] = endTransfer(over)
    this.#keep(file)
    // The pipe may be empty by now: processes of the container can read it, too.
    if (errno !== 0 && nameErrno(errno) !== 'EAGAIN') this.#works = false
    return { count, ...(rest === -1 ? { rest: nothing } : takeRest(rest)) }
  }

  /** Undefined where no thread can be had. */
  #start(pipe: number, { offset, size }: BufferPlace): number | undefined {
    try {
      const over = startTransfer(pipe, this.#file, this.#path, offset, size)
      this.#underWay++
      this.#wasUsed = true
      return over
    } catch {
      this.#works = false
      return undefined
    }
  }

  /** Two transfers may have opened it at once. */
  #keep(file: number): void {
    this.#underWay--
    if (this.#file === -1) this.#file = file
    else if (file !== this.#file) close(file)
    this.#idle ??= setTimeout(() => this.#closeUnused(), idleMilliseconds)
  }

  #closeUnused(): void {
    const isUsed = this.#wasUsed || this.#underWay > 0
    this.#wasUsed = false
    this.#idle = isUsed ? setTimeout(() => this.#closeUnused(), idleMilliseconds) : undefined
    if (isUsed || this.#file === -1) return
    close(this.#file)
    this.#file = -1
  }
}

/** All that is in a pipe without a writer, which is no more than a pipe holds. */
function takeRest(pipe: number): Omit<Moved, 'count'> {
  let rest = nothing
  try {
    for (let some = read(pipe, mostRead); some !== null && some.length > 0; some = read(pipe, mostRead))
      rest = joined(rest, some)
    return { rest }
  } catch (failure) {
    return { rest, failure }
  } finally {
    close(pipe)
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
