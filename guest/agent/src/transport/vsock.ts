/** The agent's channel to the host over AF_VSOCK. */
import { accept, close, listenVsock } from 'syscalls'
import type { Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { createStreamTransport } from './stream.ts'

/** Hands every connection over. @throws SysError EAFNOSUPPORT when the kernel has no vsock. */
export function serveVsock(loop: Loop, port: number, onConnection: (transport: Transport) => void): void {
  const listener = listenVsock(port)
  loop.watch(listener, events.in, () => {
    const fd = accept(listener)
    if (fd !== null) onConnection(createStreamTransport(loop, fd, () => close(fd)))
  })
}
