/** Opening by openat2(2): what may be met on the way is said with the call, so that no check can be outrun by a rename. */
import { closeSync, constants } from 'node:fs'
import { checked, libc, ptr, SyscallError } from '../libc.ts'

// The same on every architecture (include/uapi/asm-generic/unistd.h).
const SYS_openat2 = 437
const O_CLOEXEC = 0o2000000

/** In place of a directory's descriptor: the working directory. An absolute path ignores it. */
export const workingDirectory = -100
/** O_PATH of open(2): a location, not what is there. It opens nothing, so a FIFO or a device does not mind. */
export const O_PATH = 0o10000000

/**
 * Refusals of openat2(2): another mount (EXDEV), symbolic links (ELOOP), a way above the directory (EXDEV). With `inRoot` nothing is above
 * the directory: it is `/`.
 */
export const resolve = { noXdev: 1, noMagiclinks: 2, noSymlinks: 4, beneath: 8, inRoot: 16 } as const

/**
 * Opens `path`, seen from the open directory `from`. `rules` is a bitwise or of {@link resolve}. The caller closes the descriptor.
 *
 * @throws SyscallError with the errno of openat2(2).
 */
export function openAt(from: number, path: string | Uint8Array, flags: number, rules: number): number {
  const text = terminated(path)
  const how = Buffer.alloc(24)
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0)
  how.writeBigUInt64LE(BigInt(rules), 16)
  return checked(
    libc.syscall(SYS_openat2, from, ptr(text), ptr(how), how.length, 0, 0),
    `openat2 of ${shown(path)}`,
  )
}

/** Opens the directory of that name in an open directory; never a link, never what is mounted there. @throws SyscallError. */
export function openDirectoryAt(from: number, name: string | Uint8Array): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  return openAt(
    from,
    name,
    O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
    resolve.beneath | resolve.noSymlinks | resolve.noXdev,
  )
}

/** Runs `work` on a descriptor and closes it. */
export function closing<T>(fd: number, work: (fd: number) => T): T {
  try {
    return work(fd)
  } finally {
    closeSync(fd)
  }
}

/** File names are bytes. Most are text, but they need not be. */
export function terminated(name: string | Uint8Array): Buffer {
  const bytes = Buffer.from(name)
  if (bytes.includes(0)) throw new SyscallError('a name with a NUL byte', 'EINVAL')
  return Buffer.concat([bytes, Buffer.alloc(1)])
}

export function shown(name: string | Uint8Array): string {
  return JSON.stringify(Buffer.from(name).toString('utf8'))
}
