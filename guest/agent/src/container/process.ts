/** A process in a container, as the host sees it: the init (exec id empty) or one that was added. */
import { kill } from 'syscalls'
import { unavailable } from '../errors.ts'
import type { ProcessStdio } from '../streams/stdio.ts'
import { errnoName, readIfThere } from '../system/files.ts'
import type { StartedProcess } from './crun.ts'
import { losesSignal } from './lost-signal.ts'

export const signals = { kill: 9, term: 15 } as const

export interface ContainerProcess {
  readonly pid: number
  readonly stdio: ProcessStdio
  /** Exit code, or 128 + signal. Resolves for everybody who asks. */
  readonly ended: Promise<number>
  /** Undefined while it runs. */
  exitCode: number | undefined
  /** Somebody has been told the exit code. */
  collected: boolean
}

export function trackProcess({ pid, ended, stdio }: StartedProcess): ContainerProcess {
  const process: ContainerProcess = { pid, stdio, ended, exitCode: undefined, collected: false }
  void ended.then((code) => {
    process.exitCode = code
    stdio.stdout.processEnded()
    stdio.stderr?.processEnded()
  })
  return process
}

/** Sends a signal; a process that has ended is a success, as for Kata. */
export function signalProcess(process: ContainerProcess, signal: number): void {
  // Once it is reaped its number may belong to somebody else.
  if (process.exitCode === undefined) signalPid(process.pid, signal)
}

/** The same by a number. */
export function signalPid(pid: number, signal: number): void {
  try {
    kill(pid, signal)
  } catch (error) {
    if (errnoName(error) !== 'ESRCH') throw error
  }
}

/** {@link losesSignal} of a process; one that is gone loses none. */
export function processLosesSignal({ pid, exitCode }: ContainerProcess, signal: number): boolean {
  if (exitCode !== undefined) return false
  const status = readIfThere(`/proc/${pid}/status`)
  return status !== undefined && losesSignal(status, readIfThere(`/proc/${pid}/syscall`), signal)
}

/** Releases what the agent holds for a process. */
export function closeStdio({ stdin, stdout, stderr }: ProcessStdio): void {
  stdin.destroy()
  stdout.close()
  stderr?.close()
}

/** The terminal's master. @throws TtrpcError UNAVAILABLE "no tty" for a process without one, or whose stdio is closed. */
export function terminalOf({ stdio }: ContainerProcess): number {
  if (stdio.terminal === undefined || !stdio.stdin.isOpen) throw unavailable('no tty')
  return stdio.terminal
}
