/** Dials the agent of a machine whose VMM has the host kernel's vsock (vhost-vsock). */
import { closeSync } from 'node:fs'
import { beginConnect, connectionState } from '../linux/sockets/vsock.ts'
import { sleep } from '../time.ts'
import { adoptConnected } from '../ttrpc/bun.ts'
import type { Transport } from '../ttrpc/ttrpc.ts'

const lookEveryMs = 2

/** @throws SyscallError ECONNRESET while there is no listener; the signal's reason when it fires first. */
export async function dialVsock(cid: number, port: number, signal: AbortSignal): Promise<Transport> {
  const fd = beginConnect(cid, port)
  try {
    while (connectionState(fd) === 'connecting') await sleep(lookEveryMs, signal)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return adoptConnected(fd)
}
