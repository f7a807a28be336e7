/** Named pipes. Bound apart from libc.ts, so that a program which only needs this binds only this. */
import { dlopen } from 'bun:ffi'
import { checked, cstring } from '../libc.ts'

let bound: { mkfifo(path: Buffer, mode: number): number } | undefined

/** Creates a FIFO with mode 0600. @throws SyscallError EEXIST, ENOENT, EACCES. */
export function makeFifo(path: string): void {
  bound ??= dlopen('libc.so.6', { mkfifo: { args: ['cstring', 'u32'], returns: 'i32' } }).symbols
  checked(bound.mkfifo(cstring(path), 0o600), `mkfifo ${path}`)
}
