/** Waits for the requests to the share's server that have no answer yet. */
import { mount } from 'syscalls'
import { errnoName, exists, list, readIfThere } from '../system/files.ts'
import { sleep } from '../system/wait.ts'

/** FUSE's control file system (Linux Documentation/filesystems/fuse.rst), with a directory for each connection. */
const connections = '/sys/fs/fuse/connections'
/** Most time to wait for a moment without requests. */
const restMilliseconds = 500

/**
 * Waits until every request is answered. False if the share was busy all the time.
 *
 * Must be called before anything of the share is unmounted. The last close of a file sends a request that the kernel does not wait for and that
 * holds the file's inode. Linux waits for these requests when it unmounts a whole connection, but not for a file system inside a share: then it
 * stops with "Busy inodes after unmount" (6.12, fs/super.c).
 */
export async function shareAtRest(): Promise<boolean> {
  showConnections()
  for (let waited = 0; isBusy(); waited++) {
    if (waited >= restMilliseconds) return false
    await sleep(1)
  }
  return true
}

/** Whether a connection has requests, queued or at the server, which `waiting` counts. */
function isBusy(): boolean {
  return list(connections).some((name) => Number(readIfThere(`${connections}/${name}/waiting`) ?? 0) > 0)
}

/** Mounts the control file system. A kernel without FUSE has no share, and needs none. */
function showConnections(): void {
  if (!exists(connections) || list(connections).length > 0) return
  try {
    mount('fusectl', connections, 'fusectl', 0, '')
  } catch (error) {
    if (errnoName(error) !== 'EBUSY') throw error
  }
}
