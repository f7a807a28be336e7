/** The content of a tar entry, in a file of its own. */
import { closeSync, constants, openSync } from 'node:fs'
import { writeAll } from '../linux/files/named-write.ts'
import type { TarEntry } from './formats/tar-reader.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/** Writes the entry's content to a new file of mode 0600. Nothing that exists is opened, and no link followed. @throws the error of the system call, or of the stream. */
export async function writeNewFile(path: string, entry: TarEntry): Promise<void> {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for await (const piece of entry.content()) writeAll(fd, piece, path)
  } finally {
    closeSync(fd)
  }
}
