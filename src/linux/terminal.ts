/**
 * The terminal behind a descriptor: raw mode and window size (termios(3), ioctl_tty(2)). Done here and not with
 * `process.stdin`, because that would start to read the descriptor.
 */
import { dlopen, ptr } from 'bun:ffi'
import { checked } from './libc.ts'

const { symbols: libc } = dlopen('libc.so.6', {
  tcgetattr: { args: ['i32', 'ptr'], returns: 'i32' },
  tcsetattr: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
  cfmakeraw: { args: ['ptr'], returns: 'void' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
})

/** struct termios has 60 bytes on Linux with glibc. */
const termiosBytes = 64
const TCSADRAIN = 1
const TIOCGWINSZ = 0x5413

/** Puts the terminal into raw mode; returns what restores it (safe to call again). @throws SyscallError ENOTTY. */
export function makeRaw(fd: number): () => void {
  const before = Buffer.alloc(termiosBytes)
  checked(libc.tcgetattr(fd, ptr(before)), `tcgetattr ${fd}`)
  const raw = Buffer.from(before)
  libc.cfmakeraw(ptr(raw))
  checked(libc.tcsetattr(fd, TCSADRAIN, ptr(raw)), `tcsetattr ${fd}`)
  return () => void libc.tcsetattr(fd, TCSADRAIN, ptr(before))
}

/** Returns what gives the terminal the mode back that it has now. @throws SyscallError ENOTTY. */
export function keepTerminal(fd: number): () => void {
  const before = Buffer.alloc(termiosBytes)
  checked(libc.tcgetattr(fd, ptr(before)), `tcgetattr ${fd}`)
  return () => void libc.tcsetattr(fd, TCSADRAIN, ptr(before))
}

export interface WindowSize {
  readonly rows: number
  readonly columns: number
}

/** The size of the terminal, or undefined when `fd` is none. */
export function windowSize(fd: number): WindowSize | undefined {
  const winsize = Buffer.alloc(8)
  if (libc.ioctl(fd, TIOCGWINSZ, ptr(winsize)) !== 0) return undefined
  return { rows: winsize.readUInt16LE(0), columns: winsize.readUInt16LE(2) }
}
