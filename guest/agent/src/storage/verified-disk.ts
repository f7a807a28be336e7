/** Disks whose every block the kernel checks against a root hash when it is read (dm-verity). */
import { close, mapDevice, open, pread, unmapDevice } from 'syscalls'
import { loadModuleNamed } from '../devices/modules.ts'
import { diskUnmountable } from '../errors.ts'
import { errnoName, openFlags } from '../system/files.ts'
import { superblockBytes, type VerityWish, verityTable } from './verity-table.ts'

export interface VerifiedDisk {
  /** `/dev/dm-0` */
  readonly node: string
  /** Lets go of it. Whether nobody else has it, so that the disk below is free. @throws SysError EBUSY while it is mounted. */
  release(): boolean
}

interface Mapped {
  readonly name: string
  readonly node: string
  users: number
}

/** Containers of a pod that have the same layer share its device, and so what the kernel keeps of it in memory. */
const mapped = new Map<string, Mapped>()
let count = 0

/**
 * The verified device of a disk. Nothing is read but the superblock: what does not match the root hash fails with EIO when it is read.
 *
 * @throws TtrpcError INVALID_ARGUMENT, FAILED_PRECONDITION for a guest image without the module.
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
