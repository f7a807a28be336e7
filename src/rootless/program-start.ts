/** Tells whether the last exec of a chain of tools has happened. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { isAlive, type ProcessRef } from '../linux/proc.ts'
import type { ExitInfo } from './launch-spec.ts'

/** What the last tools of the chain say, and exit with, when they cannot go on. */
const toolComplaint = /^(sh|env|enosys|setpriv|\/usr\/s?bin\/(sh|env|enosys|setpriv)): /m
const toolExitCodes = [1, 125, 126, 127]

/**
 * Resolves true once `ref` executes `program`, also when that ended already; false when a tool before it failed.
 * The caller bounds the wait by ending the process.
 *
 * @param output what the process wrote so far.
 */
export async function waitForProgram(
  ref: ProcessRef,
  program: string,
  exited: Promise<ExitInfo>,
  output: () => Promise<string>,
): Promise<boolean> {
  const wanted = fileIdentity(program)
  while (isAlive(ref)) {
    if (fileIdentity(`/proc/${ref.pid}/exe`) === wanted) return true
    await Bun.sleep(1)
  }
  // It ended between two looks: a short program, or a tool that gave up.
  const { code, signal } = await exited
  if (signal === 'SIGKILL') return false
  const said = await output()
  return !(toolExitCodes.includes(code ?? 0) && (said === '' || toolComplaint.test(said)))
}

function fileIdentity(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat && `${stat.dev}:${stat.ino}`
}

/** Size of the regular file behind `fd`, or undefined when it is a pipe, socket or device. */
export function outputSize(fd: number): number | undefined {
  const stat = fstatSync(fd)
  return stat.isFile() ? stat.size : undefined
}

/** What was appended to the regular file behind `fd` since it had `start` bytes: at most its last 4096 bytes. */
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
