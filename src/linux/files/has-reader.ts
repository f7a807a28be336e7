/** Whether somebody is there for what is written. Bound apart from libc.ts, so that a program which only needs this binds only this. */
import { dlopen, ptr } from 'bun:ffi'

const [POLLERR, POLLHUP] = [0x8, 0x10]

const bind = () => dlopen('libc.so.6', { poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' } }).symbols
let bound: ReturnType<typeof bind> | undefined

/**
 * False once the last reader of a pipe, or the other end of a socket or terminal, has gone: poll(2) tells that without a write. True for all else, as
 * for a file.
 */
export function hasReader(fd: number): boolean {
  bound ??= bind()
  // struct pollfd: the descriptor, and 16 bits each for what is asked and what is so. The two that count need not be asked for.
  const [asked, soAt] = [new DataView(new ArrayBuffer(8)), 6]
  asked.setInt32(0, fd, true)
  bound.poll(ptr(asked), 1n, 0)
  return (asked.getInt16(soAt, true) & (POLLERR | POLLHUP)) === 0
}
