/** Whether something failed because a disk, or its user's share of it, is full. */
import { SyscallError } from '../libc.ts'

export function isDiskFull(error: unknown): boolean {
  const errno = error instanceof SyscallError ? error.errno : (error as NodeJS.ErrnoException).code
  return errno === 'ENOSPC' || errno === 'EDQUOT'
}
