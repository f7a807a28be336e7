/** Where a tar goes: a file that is whole or absent, or standard output. */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { KataError } from '../../../errors.ts'
import { atPath, writeAll } from '../../../linux/files/named-write.ts'
import { isTerminal } from '../../../linux/is-terminal.ts'
import { hasReaderLeft, openStdout } from '../../client/output.ts'

/**
 * A reader of standard output that leaves earlier ends it, which is no failure.
 *
 * @throws KataError COPY_TARGET, OUTPUT_TERMINAL, OUTPUT_FAILED; errors of the system, with their `code`; what `chunks` throws.
 */
export async function writeTar(file: string | undefined, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  if (file !== undefined && file !== '-') return writeFile(resolve(file), chunks)
  if (isTerminal(1)) throw new KataError('OUTPUT_TERMINAL', {})
  const sink = openStdout()
  for await (const chunk of chunks) if (!(await isRead(sink.write(chunk)))) return
}

async function isRead(writing: Promise<void>): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if (hasReaderLeft(error)) return false
    throw error
  }
}

async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  requireReplaceable(path)
  const fresh = `${path}.${process.pid}.part`
  const fd = openFresh(fresh, path)
  try {
    for await (const chunk of chunks) writeAll(fd, chunk, path)
    atPath(path, () => fsyncSync(fd))
    renameSync(fresh, path)
  } finally {
    closeSync(fd)
    rmSync(fresh, { force: true })
  }
}

/** Nobody knows the name of the file that has the tar until it is whole. @throws errors of the system, with `path`. */
function openFresh(fresh: string, path: string): number {
  try {
    return openSync(fresh, 'wx', 0o600)
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EEXIST'
    throw isTaken ? error : Object.assign(error as Error, { path })
  }
}

/**
 * The rename would put a file in the place of the host's `/dev/null`, or of the link `/dev/stdout`. A link is not written through: in another
 * user's directory it may lead to any disk or file.
 *
 * @throws KataError COPY_TARGET.
 */
function requireReplaceable(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there === undefined || there.isFile()) return
  const target = there.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : there
  const isOwnStream = there.isSymbolicLink() && readlinkSync(path).startsWith('/proc/')
  if (isOwnStream || target?.isFile() === false)
    throw new KataError('COPY_TARGET', { path, reason: 'it is there and no file (- is standard output)' })
}
