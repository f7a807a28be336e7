/**
 * Hybrid vsock: `CONNECT <port>\n` on a unix socket, answered with `OK <number>\n` once the guest takes the connection;
 * one that the guest refuses is closed without a word. The guest underneath has a virtio-serial port in vsock's place.
 */

import { connect, listen } from 'double'
import { accept, close, read, setNonblocking, utf8Decode, utf8Encode, write } from 'syscalls'
import { events, type Loop } from '../../../../guest/agent/src/devices/loop.ts'
import { pipeBoth } from './pipe.ts'

/** The only port on which somebody listens in the guest. */
const agentPort = 1024
const longestLine = 32

export interface Guest {
  /** Whether the guest has opened its port. */
  isListening(): boolean
  /** Where its port is reached. */
  readonly port: string
}

/** Binds `path` and serves it; one connection at a time reaches the guest. */
export function serveVsock(loop: Loop, path: string, guest: Guest): void {
  const listener = listen(path)
  let busy = false
  let nextNumber = 0x4000_0000
  const greet = (fd: number) => {
    let line = ''
    const refuse = () => {
      loop.forget(fd)
      close(fd)
    }
    loop.watch(fd, events.in, () => {
      const bytes = read(fd, 4096)
      if (bytes === null) return
      if (bytes.length === 0) return refuse()
      const end = bytes.indexOf(10)
      line += utf8Decode(end < 0 ? bytes : bytes.subarray(0, end))
      if (line.length > longestLine) return refuse()
      if (end < 0) return
      const port = Number(/^CONNECT (\d+)$/.exec(line)?.[1])
      if (port !== agentPort || busy || !guest.isListening()) return refuse()
      loop.forget(fd)
      const inner = connect(guest.port)
      busy = true
      const over = () => {
        busy = false
      }
      try {
        setNonblocking(fd)
        write(fd, utf8Encode(`OK ${nextNumber++}\n`), 0)
        pipeBoth(loop, fd, inner, bytes.slice(end + 1), over)
      } catch {
        // Whoever asked did not wait for the answer.
        for (const each of [fd, inner]) close(each)
        over()
      }
    })
  }
  loop.watch(listener, events.in, () => {
    const fd = accept(listener)
    if (fd !== null) greet(fd)
  })
}
