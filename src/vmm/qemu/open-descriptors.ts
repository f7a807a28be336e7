/** What QEMU is started with, open: all or nothing. */
import { closeSync } from 'node:fs'
import { openDiskImage } from '../host/disk-image.ts'
import { openKvmNode } from '../kvm/kvm-node.ts'
import type { FdRole, HandedOver } from './settings/handed-over.ts'
import { openSockets, type QemuSockets } from './sockets.ts'

export interface OpenDescriptors {
  /** In the order in which they are handed over. */
  readonly fds: number[]
  /** With our connections, which the caller takes over. */
  readonly sockets: QemuSockets
  /** Closes our copies of what was opened here and is handed over. */
  closeOurs(): void
}

/**
 * Opens the files that the start names, and binds its sockets in the private directory.
 *
 * @throws KataError KVM_MISSING, VMM_DISK_IMAGE; those of {@link openSockets}.
 */
export function openDescriptors(handed: readonly HandedOver[], privateDir: string): OpenDescriptors {
  const opened = new Map<FdRole, number>()
  const closeOpened = () => {
    for (const fd of opened.values()) closeSync(fd)
  }
  try {
    for (const { role, from } of handed) {
      if ('kvmNode' in from) opened.set(role, openKvmNode(from.kvmNode))
      if ('diskImage' in from) opened.set(role, openDiskImage(from.diskImage))
    }
    const sockets = openSockets(privateDir)
    const numberOf = ({ role, from }: HandedOver): number => {
      if ('fd' in from) return from.fd
      return 'listener' in from ? sockets.listeners[from.listener] : opened.get(role)!
    }
    const closeOurs = () => {
      sockets.closeListeners()
      closeOpened()
    }
    return { fds: handed.map(numberOf), sockets, closeOurs }
  } catch (error) {
    closeOpened()
    throw error
  }
}
