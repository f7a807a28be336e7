/** Flags of the mount that a path lies on. */
import { closing } from '../files/open-at.ts'
import { openOperatorPath } from '../files/operator-path.ts'
import { mountOf } from './mount.ts'

/** For example `nosuid`, `relatime`. Empty when the path cannot be opened or its mount is not visible to us. */
export function mountFlagsOf(path: string): readonly string[] {
  let fd: number
  try {
    fd = openOperatorPath(path)
  } catch {
    return []
  }
  return closing(fd, (open) => mountOf(open)?.flags ?? [])
}
