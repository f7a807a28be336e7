/** A share in QEMU's terms: the host's half as arguments, and the guest's as arguments at boot or an object for one that comes later. */
import { KataError } from '../../../errors.ts'
import type { MachineSpec, ShareAttachment } from '../../vmm.ts'

/** What a share's descriptor is for, and QEMU's name for its device and its character device. */
export type ShareRole = 'share' | 'volumes'

/** The shares of a machine, in their order. */
export function sharesOf({ share, volumeShare }: Pick<MachineSpec, 'share' | 'volumeShare'>) {
  const all: readonly [ShareRole, ShareAttachment | undefined][] = [
    ['share', share],
    ['volumes', volumeShare],
  ]
  return all.filter((one): one is [ShareRole, ShareAttachment] => one[1] !== undefined)
}

/** The connection to the share's daemon. */
export const shareBackend = (role: ShareRole, fd: number): string[] => [
  '-chardev',
  `socket,id=${role},fd=${fd}`,
]

/** @throws KataError VMM_OPTION_INVALID. */
export function shareDevice(role: ShareRole, { tag, queueSize }: ShareAttachment) {
  return {
    driver: 'vhost-user-fs-pci',
    id: role,
    chardev: role,
    tag: checkedTag(tag),
    'queue-size': queueSize,
  }
}

function checkedTag(tag: string): string {
  if (/^[\w.-]+$/.test(tag)) return tag
  throw new KataError('VMM_OPTION_INVALID', { reason: `share tag is ${JSON.stringify(tag)}` })
}
