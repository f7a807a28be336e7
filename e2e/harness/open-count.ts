/**
 * Counts how often a file is opened for reading, through whichever mount: fanotify(7) watches the file itself. Processes of another host that has the same
 * file (setup/gate/own-host.ts) do not count: what has no pid here is none of ours.
 */
import { dlopen, FFIType } from 'bun:ffi'
import { closeSync, readSync } from 'node:fs'

const { symbols } = dlopen('libc.so.6', {
  fanotify_init: { args: [FFIType.u32, FFIType.u32], returns: FFIType.i32 },
  fanotify_mark: {
    args: [FFIType.i32, FFIType.u32, FFIType.u64, FFIType.i32, FFIType.cstring],
    returns: FFIType.i32,
  },
})
/** From <sys/fanotify.h> and <fcntl.h>. Closes are watched so that two opens are never told as one. */
const events = { open: 0x20, close: 0x10 }
const FAN_NONBLOCK = 2
const FAN_MARK_ADD = 1
const AT_FDCWD = -100
/** struct fanotify_event_metadata */
const eventBytes = 24
const at = { mask: 8, fd: 16, pid: 20 } as const

export class OpenCount implements Disposable {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = symbols.fanotify_init(FAN_NONBLOCK, 0)
    const mask = BigInt(events.open | events.close)
    const marked = symbols.fanotify_mark(this.#fd, FAN_MARK_ADD, mask, AT_FDCWD, Buffer.from(`${path}\0`))
    if (this.#fd < 0 || marked < 0) throw new Error(`${path} cannot be watched`)
  }

  /** Since the last call. */
  take(): number {
    let count = 0
    for (let chunk = this.#read(); chunk.length > 0; chunk = this.#read())
      for (let offset = 0; offset < chunk.length; offset += eventBytes) {
        // Each event brings the file, opened for whoever reads of it.
        closeSync(chunk.readInt32LE(offset + at.fd))
        const isOpen = (chunk.readUInt32LE(offset + at.mask) & events.open) !== 0
        if (isOpen && chunk.readInt32LE(offset + at.pid) !== 0) count++
      }
    return count
  }

  #read(): Buffer {
    const buffer = Buffer.alloc(eventBytes * 1000)
    try {
      return buffer.subarray(0, readSync(this.#fd, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      return buffer.subarray(0, 0)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}
