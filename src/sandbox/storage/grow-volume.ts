/** A direct-assigned volume grows: its disk has done so on the host, then the machine is told, then the guest grows the file system. */
import type { AgentClient } from '../../agent/client.ts'
import { readDirectVolume, requireSize } from '../../devices/direct-volume.ts'
import { findDiskAt } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import type { DirectVolumePlace } from './container-disks.ts'
import type { Disks } from './disks.ts'

export interface GrowTools {
  readonly disks: Pick<Disks, 'grow'>
  readonly agent: Pick<AgentClient, 'resizeVolume'>
}

export interface VolumeGrowth {
  /** Path on the host. */
  readonly volume: string
  /** Bytes. */
  readonly size: bigint
  readonly place: DirectVolumePlace
}

/**
 * The file system has `size` bytes afterwards, on a disk that may have more.
 *
 * @throws KataError DIRECT_VOLUME_MISSING, DIRECT_VOLUME_SIZE, DIRECT_VOLUME_NOT_GROWN, DEVICE_*, those of the VMM.
 */
export async function growVolume(
  { disks, agent }: GrowTools,
  growth: VolumeGrowth,
  root?: string,
): Promise<void> {
  const { volume, place } = growth
  const size = requireSize(volume, growth.size)
  const note = readDirectVolume(volume, root)
  if (note === undefined) throw new KataError('DIRECT_VOLUME_MISSING', { volume })
  using disk = findDiskAt(note.device, {}, volume)
  await disks.grow(place.diskId, { volume, disk, bytes: Number(size) })
  await growInGuest(agent, { volumeGuestPath: place.guestPath, size }, volume)
}

/** @throws KataError DIRECT_VOLUME_NOT_GROWN with the guest's words; AGENT_DIED. */
export async function growInGuest(
  agent: Pick<AgentClient, 'resizeVolume'>,
  request: { volumeGuestPath: string; size: bigint },
  volume: string,
): Promise<void> {
  try {
    await agent.resizeVolume(request)
  } catch (cause) {
    if (!(cause instanceof TtrpcError)) throw cause
    throw new KataError('DIRECT_VOLUME_NOT_GROWN', { volume, reason: cause.message }, { cause })
  }
}
