/** Disks that are there from the machine's start: each on its place, and its descriptor in a set of its own. */
import { KataError } from '../../../errors.ts'
import type { DiskAttachment } from '../../machine/disk.ts'
import type { DiskPlace, DiskPlaces } from './disk-places.ts'
import { blockNode, configuredLimit, type DiskConfig } from './disk-settings.ts'

/** The first set of a disk at the start; QEMU numbers later ones from the lowest free on. */
const firstSet = 100

export interface ColdDisk {
  readonly disk: DiskAttachment
  readonly set: number
  readonly place: DiskPlace
  /** The controller, which comes with the first disk that needs it. */
  readonly controller?: DiskPlace['device']
}

/**
 * Takes a place for each, in order: the same places for the same disks of an empty machine.
 *
 * @throws KataError VMM_OPTION_INVALID, VMM_NO_FREE_PORT.
 */
export function placeColdDisks(disks: readonly DiskAttachment[], places: DiskPlaces): ColdDisk[] {
  const placed: ColdDisk[] = []
  for (const [index, disk] of disks.entries()) {
    const isFirst = disk.bus === 'virtio-scsi' && !placed.some(({ controller }) => controller !== undefined)
    const controller = isFirst ? { controller: places.takeController().device } : {}
    requireDiskId(
      disk.id,
      placed.map((other) => other.disk.id),
    )
    placed.push({ disk, set: firstSet + index, place: places.take(disk), ...controller })
  }
  return placed
}

/** QEMU's arguments of one whose descriptor is `fd`. */
export function coldDiskArgs(
  { disk, set, place, controller }: ColdDisk,
  fd: number,
  config: DiskConfig,
): string[] {
  const json = (value: object) => JSON.stringify(value)
  const limit = configuredLimit(disk.id, config)
  return [
    ...(limit === undefined ? [] : ['-object', json(limit)]),
    ...['-add-fd', `fd=${fd},set=${set}`],
    ...['-blockdev', json(blockNode(disk, set, config))],
    ...(controller === undefined ? [] : ['-device', json(controller)]),
    ...['-device', json(diskDevice(disk, place))],
  ]
}

/** QEMU's device on the block node of a disk. */
export const diskDevice = ({ id }: DiskAttachment, { device }: DiskPlace): object => ({
  ...device,
  id,
  drive: id,
})

/** @throws KataError VMM_OPTION_INVALID for an id that is none of QEMU's, or that another disk has. */
export function requireDiskId(id: string, others: readonly string[]): void {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(id) || others.includes(id))
    throw new KataError('VMM_OPTION_INVALID', { reason: `disk id is ${JSON.stringify(id)}` })
}
