/** Digests and copies of files with holes, whose errors name the file: those of read(2), write(2) and lseek(2) name none. */
import { withPath } from '../../linux/files/named-write.ts'
import { copySparse, digestOf, type FileDigest } from '../../linux/files/sparse-file.ts'
import { SyscallError } from '../../linux/libc.ts'

/** A file that is open. */
export interface OpenFile {
  readonly fd: number
  readonly path: string
}

/** @throws the signal's reason; errors of the system, with the path. */
export function digestAt({ fd, path }: OpenFile, signal: AbortSignal): Promise<FileDigest> {
  return digestOf(fd, signal).catch((error) => {
    throw named(error, path)
  })
}

/** As {@link copySparse}. @throws the signal's reason; errors of the system, with the path of the one that failed. */
export function copyAt(from: OpenFile, to: OpenFile, signal: AbortSignal): Promise<FileDigest> {
  return copySparse(from.fd, to.fd, signal).catch((error) => {
    const isOfReading = error instanceof SyscallError || (error as NodeJS.ErrnoException).syscall === 'read'
    throw named(error, isOfReading ? from.path : to.path)
  })
}

/** The search for data is the one system call of ours among them. */
function named(error: unknown, path: string): unknown {
  if (!(error instanceof SyscallError)) return withPath(error, path)
  return new SyscallError(`${error.fields.call} of ${path}`, error.errno, `${error.fields.hint}`)
}
