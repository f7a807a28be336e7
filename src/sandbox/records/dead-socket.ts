/** Sockets of shims that are dead. */
import { existsSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { withBriefLock } from '../../linux/files/directory-lock.ts'
import { isListening } from '../../linux/sockets/socket.ts'

/**
 * Removes the socket that a dead process left; false for one on which another one listens. Who binds in that directory has its lock until it
 * listens: before that it would be taken for dead.
 */
export function removeDeadSocket(path: string): boolean {
  if (!existsSync(path)) return true
  return withBriefLock(dirname(path), () => {
    if (isListening(path)) return false
    rmSync(path, { force: true })
    return true
  })
}
