/** The pod's shares as the devices of its machine. */
import type { ShareAttachment, VmmFeatures, VmSpec } from '../../vmm/vmm.ts'
import type { ServedShare, ShareDevice } from './start-share.ts'

/** `close` is called with each of our descriptors that the VMM gets a copy of. */
export function shareAttachments(
  served: ServedShare | undefined,
  { share: way }: Pick<VmmFeatures, 'share'>,
  queueSize: number,
  close: (fd: number) => void,
): Pick<VmSpec, 'share' | 'volumeShare'> {
  const attach = ({ tag, daemon }: ShareDevice): ShareAttachment => {
    if (way === 'path') return { tag, socket: daemon.socketPath, queueSize }
    const socket = daemon.connect()
    close(socket)
    return { tag, socket, queueSize }
  }
  if (served === undefined) return {}
  const { first, volumes } = served
  return { share: attach(first), ...(volumes && { volumeShare: attach(volumes) }) }
}

/** The shares that the guest mounts, and their daemons. */
export const shareDevices = (served: ServedShare | undefined): readonly ShareDevice[] =>
  [served?.first, served?.volumes].filter((device) => device !== undefined)
