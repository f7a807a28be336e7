/** Access lists, for tests: hosts need not have setfacl. */
import { statSync } from 'node:fs'
import { setXattr } from './files/inode.ts'

const version = 2
const [owner, user, group, mask, others] = [1, 2, 4, 16, 32]
const nobodyNamed = 0xffffffff

/** `setfacl -m u:UID:RIGHTS,g::GROUP_RIGHTS`: the mode's group bits become the mask, which is `rights`. */
export function nameUser(path: string, uid: number, rights: number, groupRights = 0): void {
  const { mode } = statSync(path)
  const entries = [
    [owner, (mode >> 6) & 7, nobodyNamed],
    [user, rights, uid],
    [group, groupRights, nobodyNamed],
    [mask, rights, nobodyNamed],
    [others, mode & 7, nobodyNamed],
  ] as const
  const list = Buffer.alloc(4 + 8 * entries.length)
  list.writeUInt32LE(version)
  for (const [index, [tag, granted, id]] of entries.entries()) {
    const at = 4 + 8 * index
    list.writeUInt16LE(tag!, at)
    list.writeUInt16LE(granted, at + 2)
    list.writeUInt32LE(id!, at + 4)
  }
  setXattr(path, 'system.posix_acl_access', list)
}
