/** Flags of the mount that a path lies on. */
import { closeSync, readFileSync } from 'node:fs'
import { openOperatorPath } from '../files/operator-path.ts'

/** For example `nosuid`, `relatime`. Empty when the path cannot be opened or its mount is not visible to us. */
export function mountFlagsOf(path: string): string[] {
  let fd: number
  try {
    fd = openOperatorPath(path)
  } catch {
    return []
  }
  try {
    const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
    const line = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${id} `))
    return line?.split(' ')[5]?.split(',') ?? []
  } finally {
    closeSync(fd)
  }
}
