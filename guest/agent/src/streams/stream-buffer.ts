/**
 * The stream buffer: a file in the host's memory that the share shows. Much output goes there page by page, without a copy in the guest, and
 * the host takes it out (src/sharing/stream-buffer.ts). Much input comes the other way. Little of either goes through the channel, and everything
 * where there is no such file.
 */
import { setTimeout, type Timer } from 'os'
import { bringInput, cancelTransfer, close, endTransfer, nameErrno, read, takeOutput } from 'syscalls'
import { events, type Loop } from '../devices/loop.ts'

/** A part of the buffer that the host has set aside for a call, bytes. */
export interface BufferPlace {
  readonly offset: number
  readonly size: number
  /** The host wants it back after so long without output, or for input in all, milliseconds, unless that is 0. */
  readonly idleMs: number
}

export interface Moved {
  /** Bytes in the buffer. */
  readonly count: number
  /** What has left the pipe, too, and did not get there. It comes next. */
  readonly rest: Uint8Array<ArrayBuffer>
  /** What comes after that cannot be read: a page that has lost its content. */
  readonly failure?: unknown
}

export interface Brought {
  /** Bytes of the place that are in the pipe: all, unless it has no reader or a slow one, was cancelled, or the buffer has failed. */
  readonly count: number
  /** Nobody reads the pipe. */
  readonly isBroken: boolean
}

export interface Bringing {
  readonly over: Promise<Brought>
  /** Waits for no reader any more. */
  cancel(): void
}

interface Transfer {
  readonly descriptor: number
  /** Its descriptor is closed then, and the number may be another's. */
  isOver: boolean
}

/** So much is read at once of what did not get into the buffer. */
const mostRead = 64 * 1024
/** The file stays open so long for the next transfer. */
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

  /** False once it has failed. What did not pass went through the channel, as all that follows. */
  get works(): boolean {
    return this.#works
  }

  /** Moves what a pipe holds, and what comes meanwhile. Never fails. */
  async move(loop: Loop, pipe: number, place: BufferPlace): Promise<Moved> {
    const transfer = this.#start(takeOutput, pipe, place)
    if (transfer === undefined) return { count: 0, rest: nothing }
    const { moved, error, rest } = await this.#end(loop, transfer)
    // The pipe may be empty by now: processes of the container can read it, too.
    if (error !== undefined && error !== 'EAGAIN') this.#works = false
    return { count: moved, ...(rest === -1 ? { rest: nothing } : takeRest(rest)) }
  }

  /** Moves what the host has put into a place into a pipe, as its process reads. Never fails. */
  bring(loop: Loop, pipe: number, place: BufferPlace): Bringing {
    const transfer = this.#start(bringInput, pipe, place)
    if (transfer === undefined)
      return { over: Promise.resolve({ count: 0, isBroken: false }), cancel: () => {} }
    const over = this.#end(loop, transfer).then(({ moved, error }) => {
      const isBroken = error === 'EPIPE'
      const isOver = isBroken || error === 'ECANCELED' || error === 'ETIMEDOUT'
      if (error !== undefined && !isOver) this.#works = false
      return { count: moved, isBroken }
    })
    return { over, cancel: () => void (transfer.isOver || cancelTransfer(transfer.descriptor)) }
  }

  /** Undefined where no thread can be had. */
  #start(how: typeof bringInput, pipe: number, { offset, size, idleMs }: BufferPlace): Transfer | undefined {
    try {
      const descriptor = how(pipe, this.#file, this.#path, offset, size, idleMs)
      this.#underWay++
      this.#wasUsed = true
      return { descriptor, isOver: false }
    } catch {
      this.#works = false
      return undefined
    }
  }

  async #end(
    loop: Loop,
    transfer: Transfer,
  ): Promise<{ moved: number; error: string | undefined; rest: number }> {
    const { descriptor } = transfer
    await new Promise<void>((resolve) => loop.once(descriptor, events.in, () => resolve()))
    loop.forget(descriptor)
    transfer.isOver = true
    const [moved, errno, rest, file] = endTransfer(descriptor)
    this.#keep(file)
    return { moved, error: errno === 0 ? undefined : nameErrno(errno), rest }
  }

  /** Two transfers may have opened it at once, or one of them may have failed to. */
  #keep(file: number): void {
    this.#underWay--
    if (this.#file === -1) this.#file = file
    else if (file !== -1 && file !== this.#file) close(file)
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
