/** Writes whose errors name the file. Node's errors of write(2) and fsync(2) do not, and a full disk shows there; on NFS and btrfs often only at fsync(2). */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'

/** Runs `write`, and adds `path` to a system error that names no file. */
export function atPath<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    throw withPath(error, path)
  }
}

/** The error; a system error that names no file gets `path`. */
export function withPath(error: unknown, path: string): unknown {
  const failed = error as NodeJS.ErrnoException
  if (failed.syscall !== undefined && failed.path === undefined) failed.path = path
  return error
}

/** Writes all bytes at the file's position. `isFlushed` waits until the disk has them. @throws a system error with `path`. */
export function writeAll(fd: number, bytes: Uint8Array, path: string, { isFlushed = false } = {}): void {
  atPath(path, () => {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    if (isFlushed) fsyncSync(fd)
  })
}

/**
 * Creates the file, for its owner alone, and waits until the disk has it. A file that is renamed after that is complete even after a crash of the
 * host. @throws a system error with `named` as its path.
 */
export function writeFlushed(path: string, text: string, named: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    writeAll(fd, Buffer.from(text), named, { isFlushed: true })
  } finally {
    closeSync(fd)
  }
}
