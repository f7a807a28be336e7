/** The protocol of a socket that any process has open: sockfs gives it as an extended attribute of the descriptor. */
import { dlopen, ptr } from 'bun:ffi'
import { cstring } from '../libc.ts'

let bound: ReturnType<typeof bind> | undefined

function bind() {
  return dlopen('libc.so.6', {
    getxattr: { args: ['cstring', 'cstring', 'ptr', 'u64'], returns: 'i64' },
  }).symbols
}

/** The kernel's name, for example `UNIX-STREAM` (`UNIX` before Linux 5.15) or `TCP`; empty when it does not say. */
export function socketProtocol(pid: number, fd: number | string): string {
  bound ??= bind()
  const name = Buffer.alloc(64)
  const path = `/proc/${pid}/fd/${fd}`
  const length = Number(
    bound.getxattr(cstring(path), cstring('system.sockprotoname'), ptr(name), name.length),
  )
  return name.toString('utf8', 0, Math.max(length, 0)).replace(/\0.*$/, '')
}
