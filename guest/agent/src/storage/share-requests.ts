/** Requests to the server of the share that have no answer yet. */
import { mount } from 'syscalls'
import { errnoName, exists, list, readIfThere } from '../system/files.ts'
import { sleep } from '../system/wait.ts'

/** FUSE's control file system (Linux Documentation/filesystems/fuse.rst): a directory for each connection. */
const connections = '/sys/fs/fuse/connections'
/** How long a share may be busy before it is given up to wait for a moment of rest. */
const restMilliseconds = 500

/**
 * Waits until every request is answered; false when the share was busy all the time.
 *
 * To be asked before anything of the share is unmounted. The last close of a file sends a request that nobody waits for
 * and that holds the file's inode. Linux waits for those of a whole connection, but not for those of a file system
 * inside a share, and stops with "Busy inodes after unmount" (6.12, fs/super.c) when one is under way.
 */
export async function shareAtRest(): Promise<boolean> {
  showConnections()
  for (let waited = 0; isBusy(); waited++) {
    if (waited >= restMilliseconds) return false
    await sleep(1)
  }
  return true
}

/** `waiting` counts what is queued and what the server is at. */
function isBusy(): boolean {
  return list(connections).some((name) => Number(readIfThere(`${connections}/${name}/waiting`) ?? 0) > 0)
}

/** A kernel that knows no FUSE has no share either. */
function showConnections(): void {
  if (!exists(connections) || list(connections).length > 0) return
  try {
    mount('fusectl', connections, 'fusectl', 0, '')
  } catch (error) {
    if (errnoName(error) !== 'EBUSY') throw error
  }
}
