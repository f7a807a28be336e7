/**
 * A bind whose source belongs to a user of the host who is not root: what he may do there, and no more, is what the container may do.
 * The command line says so in an option of the mount, and the shim shows the source through a map of his ids.
 */
import { KataError } from '../errors.ts'
import type { OciMount } from './spec.ts'

export interface MountCaller {
  /** The user of the host. */
  readonly uid: number
  readonly gid: number
  /** The user of the container that has these ids there. */
  readonly guestUid: number
  readonly guestGid: number
  /** Which file it is, so that no other can take its place. */
  readonly device: bigint
  readonly inode: bigint
}

const prefix = 'io.kata-ts.caller='
const pattern = /^(\d+):(\d+):(\d+):(\d+):(\d+):(\d+)$/

export function callerOption(caller: MountCaller): string {
  const { uid, gid, guestUid, guestGid, device, inode } = caller
  return `${prefix}${[uid, gid, guestUid, guestGid, device, inode].join(':')}`
}

/** Undefined for a mount of root's. @throws KataError SHARE_MOUNT_INVALID: an option that cannot be read restricts nothing. */
export function mountCaller({ options = [], destination }: OciMount): MountCaller | undefined {
  const option = options.find((word) => word.startsWith(prefix))
  if (option === undefined) return undefined
  const fields = pattern.exec(option.slice(prefix.length))?.slice(1)
  if (fields === undefined)
    throw new KataError('SHARE_MOUNT_INVALID', { what: destination, reason: `${prefix} is not six numbers` })
  const [uid = 0, gid = 0, guestUid = 0, guestGid = 0] = fields.map(Number)
  return { uid, gid, guestUid, guestGid, device: BigInt(fields[4]!), inode: BigInt(fields[5]!) }
}

/** The options that the guest gets. */
export function withoutCaller(options: readonly string[]): readonly string[] {
  return options.filter((word) => !word.startsWith(prefix))
}
