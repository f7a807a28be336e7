/** Disks as every VMM takes them: opened and checked by us, handed over as a descriptor. */
import type { BlockDeviceDriver } from '../../config/config.ts'
import { KataError } from '../../errors.ts'

/** A block device or disk image for the guest. */
export interface DiskAttachment {
  /** Unique in the machine; letters, digits and `-`. */
  readonly id: string
  /** For people: what it is on the host. */
  readonly name: string
  /** Open for reading, or for reading and writing; with O_DIRECT when `direct`. The caller closes its copy. */
  readonly fd: number
  readonly kind: 'block' | 'file'
  /** Held by the descriptor as well: the VMM could not write if it wanted to. */
  readonly readonly: boolean
  /** Past the host's page cache. */
  readonly direct: boolean
  /** What it is for the guest. */
  readonly bus: BlockDeviceDriver
}

/** For a request about a disk that the machine does not have. */
export const noSuchDisk = (id: string): KataError<'VMM_OPTION_INVALID'> =>
  new KataError('VMM_OPTION_INVALID', { reason: `the machine has no disk ${JSON.stringify(id)}` })

/** Where the guest finds it, in the forms of Kata's agent protocol. */
export type DiskAddress =
  /** Slots from the root bus on, `0f/00`. */
  | { readonly driver: 'blk'; readonly pciPath: string }
  /** `<target>:<lun>`, `0:1`. */
  | { readonly driver: 'scsi'; readonly address: string }
  /** The node that the guest's kernel makes, `/dev/vdb`. */
  | { readonly driver: 'mmioblk'; readonly node: string }
