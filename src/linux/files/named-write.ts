/** Writes whose errors name a file. Those of write(2) and fsync(2) name none, and it is there that a full disk shows: on NFS and btrfs often at the latter. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'

/** Gives `path` to an error of the system that names no file. */
export function atPath<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    throw withPath(error, path)
  }
}

/** The error, with `path` where it is one of the system that names no file. */
export function withPath(error: unknown, path: string): unknown {
  const failed = error as NodeJS.ErrnoException
  if (failed.syscall !== undefined && failed.path === undefined) failed.path = path
  return error
}

/** Writes all of it where the file is; `isFlushed`: and waits until the disk has the file. @throws an error of the system, with `path`. */
export function writeAll(fd: number, bytes: Uint8Array, path: string, { isFlushed = false } = {}): void {
  atPath(path, () => {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    if (isFlushed) fsyncSync(fd)
  })
}

/**
 * Makes the file, for its owner alone, and waits until the disk has it: what is renamed to its name afterwards has all of it, also after a crash of
 * the host. @throws an error of the system, with `named` for the path.
 */
export function writeFlushed(path: string, text: string, named: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    writeAll(fd, Buffer.from(text), named, { isFlushed: true })
  } finally {
    closeSync(fd)
  }
}
