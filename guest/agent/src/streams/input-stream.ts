/** What the host writes to a container process: no call is answered before its bytes are in the pipe, so that a full one slows the host. */
import { close, setNonblocking, write } from 'syscalls'
import { events, type Loop } from '../devices/loop.ts'
import { errnoName } from '../system/files.ts'
import { hostBuffer } from './host-buffer.ts'
import { createQueue } from './queue.ts'
import type { BufferPlace } from './stream-buffer.ts'

export interface InputStream {
  /** False once its descriptor is closed, whose number may be another stream's by then. */
  readonly isOpen: boolean
  /** Resolves when all bytes are in the pipe. @throws BrokenInput when the process has closed its end. */
  write(bytes: Uint8Array): Promise<void>
  /** Likewise, with the bytes of a place; how many they were. They are fewer where the rest has to be written as bytes. @throws BrokenInput */
  writeFrom(place: BufferPlace): Promise<number>
  /** Ends the input after what was written before. */
  close(): Promise<void>
  /** Ends it now. */
  destroy(): void
}

/** Takes over `fd`, the write end of a pipe or the master of a terminal. */
export function createInputStream(loop: Loop, fd: number): InputStream {
  setNonblocking(fd)
  const inTurn = createQueue()
  let open = true
  let wake = () => {}

  const destroy = (): void => {
    if (!open) return
    open = false
    loop.forget(fd)
    close(fd)
    wake()
  }

  const writeAll = async (bytes: Uint8Array): Promise<void> => {
    let offset = 0
    while (offset < bytes.length) {
      if (!open) throw new BrokenInput()
      const count = writeSome(fd, bytes, offset)
      offset += count
      if (count === 0)
        await new Promise<void>((resolve) => {
          wake = resolve
          loop.once(fd, events.out, () => resolve())
        })
    }
  }

  const bringAll = async (place: BufferPlace): Promise<number> => {
    if (!open) throw new BrokenInput()
    if (!hostBuffer.works) return 0
    const { over, cancel } = hostBuffer.bring(loop, fd, place)
    wake = cancel
    const { count, isBroken } = await over
    if (isBroken || !open) throw new BrokenInput()
    return count
  }

  return {
    get isOpen() {
      return open
    },
    write: (bytes) => inTurn(() => writeAll(bytes)),
    writeFrom: (place) => inTurn(() => bringAll(place)),
    close: () => inTurn(async () => destroy()),
    destroy,
  }
}

/** The input has no reader any more. */
export class BrokenInput extends Error {
  override readonly name = 'BrokenInput'
}

function writeSome(fd: number, bytes: Uint8Array, offset: number): number {
  try {
    return write(fd, bytes, offset)
  } catch (error) {
    const errno = errnoName(error)
    throw errno === 'EPIPE' || errno === 'EIO' ? new BrokenInput() : error
  }
}
