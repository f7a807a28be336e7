/** Whether a descriptor is a terminal (isatty(3)). node:tty can say it, too; loading it takes 4 ms of every command. */
import { libc, ptr } from './libc.ts'

const TCGETS = 0x5401
/** struct termios of the kernel has fewer. */
const termiosBytes = 64

export const isTerminal = (fd: number): boolean =>
  libc.ioctl(fd, TCGETS, ptr(Buffer.alloc(termiosBytes))) === 0
