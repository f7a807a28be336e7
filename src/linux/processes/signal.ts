/** Ending processes: only ones that we can name exactly, and always waited for. */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import { until } from '../../time.ts'
import { lastErrno, libc, SyscallError } from '../libc.ts'
import { exhaustion, isAlive, type ProcessRef } from './proc.ts'

/** Its number, by which the Task service names it. */
export const { SIGKILL } = constants.signals

/** The highest number of a signal (SIGRTMAX). */
export const mostSignal = 64

const SYS_pidfd_send_signal = 424
const SYS_pidfd_open = 434

/**
 * Sends `signal` if exactly this process still runs, and not another one that has its number by now. One that has ended
 * meanwhile, or that may not be signalled, is no error.
 *
 * @throws SyscallError EMFILE, ENFILE, ENOMEM when there is no descriptor to name it by.
 */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): void {
  // Opened before the check, so that the process that is checked is the one that gets the signal.
  const fd = Number(libc.syscall(SYS_pidfd_open, ref.pid, 0, 0, 0, 0, 0))
  if (fd < 0) {
    const errno = lastErrno()
    if (exhaustion.has(errno)) throw new SyscallError('pidfd_open', errno)
    return
  }
  try {
    if (isAlive(ref)) libc.syscall(SYS_pidfd_send_signal, fd, constants.signals[signal], 0, 0, 0, 0)
  } finally {
    closeSync(fd)
  }
}

/** Resolves true once the process is gone (a zombie counts as gone), false when `timeoutMs` passes first. */
export function waitGone(ref: ProcessRef, timeoutMs: number): Promise<boolean> {
  return until(() => !isAlive(ref), { timeoutMs, longestMs: 50 })
}

/**
 * How long a killed process may take to be gone, milliseconds. The kernel first frees its memory, some GiB a second: that of a guest, which its
 * VMM and virtiofsd have in common, goes with the last of them.
 */
const endMs = 30_000

/** SIGKILL, then wait. Resolves false if it would not go (a process in uninterruptible sleep). */
export async function killAndWait(ref: ProcessRef, timeoutMs = endMs): Promise<boolean> {
  signalProcess(ref, 'SIGKILL')
  return waitGone(ref, timeoutMs)
}
