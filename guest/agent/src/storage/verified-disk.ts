/** Disks of which the kernel checks every block that it reads against a root hash (dm-verity). */
import { close, mapDevice, open, pread, unmapDevice } from 'syscalls'
import { loadModuleNamed } from '../devices/modules.ts'
import { diskUnmountable } from '../errors.ts'
import { errnoName, openFlags } from '../system/files.ts'
import { superblockBytes, type VerityWish, verityTable } from './verity-table.ts'

export interface VerifiedDisk {
  /** For example `/dev/dm-0`. */
  readonly node: string
  /**
   * Releases the device. Returns whether it was the last user, so that the disk below is free. @throws SysError EBUSY while the device is
   * mounted.
   */
  release(): boolean
}

interface Mapped {
  readonly name: string
  readonly node: string
  users: number
}

/** Devices by disk and hash. Containers of a pod with the same layer share one device, and with it the page cache. */
const mapped = new Map<string, Mapped>()
let count = 0

/**
 * Sets up the verified device of a disk. Only the superblock is read here: a block that does not match the root hash fails with EIO when it is
 * read.
 *
 * @throws TtrpcError INVALID_ARGUMENT; FAILED_PRECONDITION if the guest image lacks the module.
 */
export function openVerified(disk: string, wish: VerityWish): VerifiedDisk {
  const key = `${disk} ${wish.rootHash} ${wish.hashOffset}`
  const known = mapped.get(key) ?? map(disk, wish)
  mapped.set(key, known)
  known.users++
  return { node: known.node, release: () => release(key, known) }
}

function map(disk: string, wish: VerityWish): Mapped {
  loadModuleNamed('dm_verity')
  const { sectors, parameters } = verityTable(readSuperblock(disk, wish.hashOffset), disk, wish)
  const name = `kata-verified-${count++}`
  try {
    return { name, node: `/dev/dm-${mapDevice(name, sectors, 'verity', parameters)}`, users: 0 }
  } catch (cause) {
    throw diskUnmountable(`dm-verity refuses ${disk}: ${errnoName(cause) ?? String(cause)}`, cause)
  }
}

function release(key: string, device: Mapped): boolean {
  if (device.users > 1) {
    device.users--
    return false
  }
  unmapDevice(device.name)
  mapped.delete(key)
  return true
}

function readSuperblock(disk: string, offset: number): Uint8Array {
  const fd = open(disk, openFlags.readOnly, 0)
  try {
    return pread(fd, superblockBytes, offset)
  } finally {
    close(fd)
  }
}
