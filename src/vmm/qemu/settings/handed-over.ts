/** The descriptors that QEMU is started with, in order, and where each comes from. */
import { KataError } from '../../../errors.ts'
import type { MachineSpec, ShareAttachment } from '../../vmm.ts'
import type { SocketRole } from '../sockets.ts'
import { iommuId } from './cold-vfio.ts'
import { type NicRole, nicDescriptors } from './nic.ts'
import { type ShareRole, sharesOf } from './share.ts'

/** What a handed-over descriptor is for. */
export type FdRole = SocketRole | ShareRole | 'tpm' | 'vsock' | 'kvm' | 'disk' | NicRole | `vfio-${string}`

export interface HandedOver {
  readonly role: FdRole
  /** Open in the {@link MachineSpec}, one of our listening sockets, or to be opened: a node of KVM, a disk image. */
  readonly from:
    | { readonly fd: number }
    | { readonly listener: SocketRole }
    | { readonly kvmNode: string }
    | { readonly diskImage: string }
  /** QEMU keeps it in a set (`-add-fd`), where it opens it in place of a path. */
  readonly inSet: boolean
}

/** The first is this descriptor of QEMU, the others are the next ones. */
export const firstFd = 3

/** Of a device of the host, or of their address space. */
export const vfioRole = (id: string): FdRole => `vfio-${id}`

const listener = (role: SocketRole): HandedOver => ({ role, from: { listener: role }, inSet: false })
const open = (role: FdRole, fd: number): HandedOver => ({ role, from: { fd }, inSet: false })
const inSet = (role: FdRole, from: HandedOver['from']): HandedOver => ({ role, from, inSet: true })

/** Whether KVM comes as a descriptor instead of by its node in the jail. */
export const takesKvm = ({ accelerator, kvmAccess }: MachineSpec): boolean =>
  accelerator === 'kvm' && kvmAccess === 'descriptor'

/** @throws KataError VMM_OPTION_INVALID for a share that is a path. */
export function handedOver(spec: MachineSpec): readonly HandedOver[] {
  const { tpm, vsock, rootDisk, nics = [], vfio = [] } = spec
  const [first] = vfio
  return [
    ...[listener('qmp'), listener('agent'), listener('console')],
    ...sharesOf(spec).map(([role, share]) => open(role, shareDescriptor(share))),
    ...(tpm ? [open('tpm', tpm.socket)] : []),
    ...(vsock ? [open('vsock', vsock.fd)] : []),
    ...nics.flatMap(nicDescriptors).map(([role, fd]) => open(role, fd)),
    ...(takesKvm(spec) ? [inSet('kvm', { kvmNode: '/dev/kvm' })] : []),
    ...(rootDisk ? [inSet('disk', { diskImage: rootDisk.image })] : []),
    ...(first ? [open(vfioRole(iommuId), first.iommu)] : []),
    ...vfio.map(({ id, fd }) => open(vfioRole(id), fd)),
  ]
}

/** @throws KataError VMM_OPTION_INVALID for a path. */
function shareDescriptor({ socket }: Pick<ShareAttachment, 'socket'>): number {
  if (typeof socket === 'number') return socket
  throw new KataError('VMM_OPTION_INVALID', { reason: 'the share is a path, and QEMU takes a descriptor' })
}
