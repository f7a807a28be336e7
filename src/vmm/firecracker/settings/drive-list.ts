/**
 * The drives of a machine. Firecracker adds none to a machine that runs, but lets the file behind one be changed: so every
 * machine has some from the start, behind which there is one sector until they are needed.
 */
import type { RateLimiter } from '../../machine/disk-limit.ts'
import type { VmSpec } from '../../vmm.ts'
import { inJail } from './jail-paths.ts'

/** As many as Kata has; what else a machine has room for: room.ts. */
export const writableDrives = 8
/** Firecracker opens a drive for writing unless it is read-only from the start. */
export const readonlyDrives = 2

/** The size at which a guest takes a drive for one without content (guest/agent/src/devices/block-device.ts). */
export const emptyBytes = 512
/** What lies behind the drives at first. */
export const emptyDrive = `${inJail.drives}/empty`

/** Body of `PUT /drives/ID`. */
export interface Drive {
  readonly drive_id: string
  readonly path_on_host: string
  readonly is_root_device: boolean
  readonly is_read_only: boolean
  readonly rate_limiter?: RateLimiter
}

export function driveId(slot: number): string {
  return `spare${slot}`
}

/** Behind them is nothing yet. The guest finds them in this order, after its root if that is a disk ({@link guestNode}). */
export const spareDrives: readonly Drive[] = Array.from(
  { length: writableDrives + readonlyDrives },
  (_, slot) => ({
    drive_id: driveId(slot),
    path_on_host: emptyDrive,
    is_root_device: false,
    is_read_only: slot >= writableDrives,
  }),
)

/**
 * The disk that the guest boots from. Not the root device in Firecracker's sense: that would add parameters of its own to
 * the kernel's command line.
 */
export function rootDrive(path: string): Drive {
  return { drive_id: 'root', path_on_host: path, is_root_device: false, is_read_only: true }
}

/** The node that the guest's kernel makes for a slot. */
export function guestNode(slot: number, { rootDisk }: Pick<VmSpec, 'rootDisk'>): string {
  return `/dev/vd${String.fromCharCode(97 + slot + (rootDisk === undefined ? 0 : 1))}`
}
