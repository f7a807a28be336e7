/** Carries bytes both ways between two sockets until either ends. */
import { close, read, write } from 'syscalls'
import { events, type Loop } from '../../../../guest/agent/src/devices/loop.ts'

const chunk = 65_536

/** Takes both descriptors over, which do not block. `first` goes to `b` ahead of what `a` still sends. */
export function pipeBoth(loop: Loop, a: number, b: number, first: Uint8Array, onEnd: () => void): void {
  const unsent = new Map<number, { bytes: Uint8Array; at: number }[]>([
    [a, []],
    [b, first.length > 0 ? [{ bytes: first, at: 0 }] : []],
  ])
  let over = false
  const end = () => {
    if (over) return
    over = true
    for (const fd of [a, b]) {
      loop.forget(fd)
      close(fd)
    }
    onEnd()
  }
  const watch = (fd: number, other: number) => {
    if (over) return
    // What the other end has not taken holds this one back.
    const reads = unsent.get(other)!.length === 0 ? events.in : 0
    const writes = unsent.get(fd)!.length > 0 ? events.out : 0
    loop.watch(fd, reads | writes, (seen) => move(fd, other, seen))
  }
  const flush = (fd: number): void => {
    const waiting = unsent.get(fd)!
    for (let part = waiting[0]; part !== undefined; part = waiting[0]) {
      const count = write(fd, part.bytes, part.at)
      if (count === 0) return
      part.at += count
      if (part.at === part.bytes.length) waiting.shift()
    }
  }
  const move = (fd: number, other: number, seen: number) => {
    try {
      flush(fd)
      if (unsent.get(other)!.length === 0 && seen & (events.in | events.hangUp | events.error)) {
        const bytes = read(fd, chunk)
        if (bytes !== null && bytes.length === 0) return end()
        if (bytes !== null) {
          unsent.get(other)!.push({ bytes, at: 0 })
          flush(other)
        }
      }
      watch(fd, other)
      watch(other, fd)
    } catch {
      end()
    }
  }
  watch(a, b)
  watch(b, a)
}
