/** Tells whether the last exec of a chain of tools has happened. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { identityAt } from '../../linux/files/file-identity.ts'
import { isAlive, type ProcessRef } from '../../linux/processes/proc.ts'
import { sleep } from '../../time.ts'
import type { ExitInfo } from './launch-spec.ts'
import { startedBy } from './waiter.ts'

/** The messages and exit codes with which the last tools of the chain fail. */
const toolComplaint = /^(\/(usr|opt\/kata-ts)\/s?bin\/)?(sh|env|unshare|setpriv): /m
const toolExitCodes = [1, 125, 126, 127]

/**
 * Resolves with the process that `waiter` started, as soon as it executes `program`. If that has ended already, the result
 * is the waiter, which has ended too. Undefined when a tool before the program failed. The caller bounds the wait by ending the waiter.
 *
 * @param output the output of the process so far.
 */
export async function waitForProgram(
  waiter: ProcessRef,
  program: string,
  exited: Promise<ExitInfo>,
  output: () => Promise<string>,
): Promise<ProcessRef | undefined> {
  const wanted = identityAt(program, { followed: true })
  while (isAlive(waiter)) {
    const started = startedBy(waiter)
    if (started !== undefined && programOf(started) === wanted) return started
    await sleep(1)
  }
  // It ended between two checks: a short program, or a tool that failed.
  const { code, signal } = await exited
  if (signal === 'SIGKILL') return undefined
  const said = await output()
  const toolFailed = toolExitCodes.includes(code ?? 0) && (said === '' || toolComplaint.test(said))
  return toolFailed ? undefined : waiter
}

/**
 * The identity of the file that a process executes; undefined when it has ended. The kernel answers ESRCH or EACCES, and not ENOENT, for a
 * process that ends while the link is being followed.
 *
 * @throws ErrnoException when it lives, and its program cannot be looked at.
 */
export function programOf(ref: ProcessRef, link = `/proc/${ref.pid}/exe`): string | undefined {
  try {
    return identityAt(link, { followed: true })
  } catch (error) {
    if (isAlive(ref)) throw error
    return undefined
  }
}

/** Size of the regular file behind `fd`, or undefined when it is a pipe, socket or device. */
export function outputSize(fd: number): number | undefined {
  const stat = fstatSync(fd)
  return stat.isFile() ? stat.size : undefined
}

/** The bytes appended to the regular file behind `fd` since it had `start` bytes, at most its last 4096. */
export function outputSince(fd: number, start: number | undefined): string {
  const size = outputSize(fd)
  if (start === undefined || size === undefined) return ''
  const length = Math.min(Math.max(size - start, 0), 4096)
  const reader = openSync(`/proc/self/fd/${fd}`, 'r')
  try {
    const bytes = Buffer.alloc(length)
    return bytes.toString('utf8', 0, readSync(reader, bytes, 0, length, size - length))
  } finally {
    closeSync(reader)
  }
}
