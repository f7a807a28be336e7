/** Bytes that have to be on the disk before a name says that they are there (fsync(2)). */
import { closeSync, fsync, openSync } from 'node:fs'

/** Resolves once all of the open file is on its disk. @throws errors of the system: EIO, ENOSPC where blocks are allocated late. */
export function flush(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error ? reject(error) : resolve()))
  })
}

/** {@link flush} by the file's path. */
export async function flushFile(path: string): Promise<void> {
  const fd = openSync(path, 'r')
  try {
    await flush(fd)
  } finally {
    closeSync(fd)
  }
}
