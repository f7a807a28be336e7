/** Counts how often a file is opened for reading, by whomever and through whichever mount: inotify(7) watches the file itself. */
import { dlopen, FFIType } from 'bun:ffi'
import { closeSync, readSync } from 'node:fs'

const { symbols } = dlopen('libc.so.6', {
  inotify_init1: { args: [FFIType.i32], returns: FFIType.i32 },
  inotify_add_watch: { args: [FFIType.i32, FFIType.cstring, FFIType.u32], returns: FFIType.i32 },
})
/** From <sys/inotify.h>. Closes are watched so that two opens are never told as one. */
const events = { open: 0x20, close: 0x10 }
const nonBlock = 0o4000
const eventBytes = 16

export class OpenCount implements Disposable {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = symbols.inotify_init1(nonBlock)
    const watch = symbols.inotify_add_watch(this.#fd, Buffer.from(`${path}\0`), events.open | events.close)
    if (this.#fd < 0 || watch < 0) throw new Error(`${path} cannot be watched`)
  }

  /** Since the last call. */
  take(): number {
    const buffer = Buffer.alloc(eventBytes * 1000)
    let length = 0
    try {
      length = readSync(this.#fd, buffer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
    const masks = Array.from({ length: length / eventBytes }, (_, index) =>
      buffer.readUInt32LE(index * eventBytes + 4),
    )
    return masks.filter((mask) => (mask & events.open) !== 0).length
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}
