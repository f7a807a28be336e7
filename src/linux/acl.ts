/** Access lists of files (acl(5)), which the mode tells only in part. */
import { cstring, lastErrno, libc, ptr, SyscallError } from './libc.ts'

const SYS_lgetxattr = 192
const SYS_fgetxattr = 193
const name = cstring('system.posix_acl_access')

/**
 * Whether a file, by its path or descriptor, has an access list. The group's bits of its mode are then the mask: the most that any group and any
 * user whom the list names may do. Does not follow a link. A file system without such lists has none.
 *
 * @throws SyscallError
 */
export function hasAcl(file: string | number): boolean {
  const path = cstring(typeof file === 'number' ? '' : file)
  const length =
    typeof file === 'number'
      ? libc.syscall(SYS_fgetxattr, file, ptr(name), 0, 0, 0, 0)
      : libc.syscall(SYS_lgetxattr, ptr(path), ptr(name), 0, 0, 0, 0)
  if (Number(length) >= 0) return true
  const errno = lastErrno()
  if (['ENODATA', 'ENOTSUP', 'EOPNOTSUPP'].includes(errno)) return false
  throw new SyscallError(`reading the access list of ${file}`, errno)
}

/** Whether others than root may write to a file that root owns. What a group of root's may write, root may. */
export function mayOthersWrite(path: string, { gid, mode }: { gid: number; mode: number }): boolean {
  if ((mode & 0o002) !== 0) return true
  return (mode & 0o020) !== 0 && (gid !== 0 || hasAcl(path))
}
