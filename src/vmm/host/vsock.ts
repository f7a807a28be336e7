/** The host kernel's vsock, opened for a VMM whose user could not, with an address that no other machine has. */
import { closeSync, constants, openSync } from 'node:fs'
import type { AgentChannel } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import { claimCid, firstGuestCid } from '../../linux/sockets/vsock.ts'
import type { VsockAttachment } from '../vmm.ts'

export const vsockDevice = '/dev/vhost-vsock'
/** Addresses are drawn, so that machines that start at once hardly ever want the same; 2^32-1 means any. */
const lastGuestCid = 0xffff_fffe
const tries = 64

/**
 * What the configuration asks for; undefined for virtio-serial, which `auto` means on a host without vhost-vsock. The caller
 * closes the descriptor once the VMM has it: the address is the machine's until its last copy is closed.
 *
 * @throws KataError VSOCK_MISSING, VSOCK_FAILED.
 */
export function openVsock(channel: AgentChannel, device = vsockDevice): VsockAttachment | undefined {
  if (channel === 'serial') return undefined
  const fd = open(device)
  if (fd === undefined) {
    if (channel === 'auto') return undefined
    throw new KataError('VSOCK_MISSING', { path: device })
  }
  try {
    return { fd, cid: claimCid(fd, drawnCids()) }
  } catch (error) {
    closeSync(fd)
    const reason = error instanceof SyscallError ? error.errno : String(error)
    throw new KataError('VSOCK_FAILED', { path: device, reason }, { cause: error })
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR)
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes(code)) return undefined
    throw new KataError('VSOCK_FAILED', { path, reason: code }, { cause })
  }
}

function* drawnCids(): Generator<number> {
  const range = lastGuestCid - firstGuestCid + 1
  for (let count = 0; count < tries; count++)
    yield firstGuestCid + (crypto.getRandomValues(new Uint32Array(1))[0]! % range)
}
