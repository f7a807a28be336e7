/** Errors of `run` and `exec` and their exit codes, as users know them from docker. */
import { KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import { ShimError } from './client/task.ts'

/** The runtime itself failed; nothing is known of the command. */
export const runtimeFailed = 125
const notExecutable = 126
const notFound = 127
/** 128 + SIGKILL: what the shim reports for a container whose shim was killed. */
const killed = 137

/** What the guest's runtime (crun) says of a command that it cannot run. */
const notFoundText = /executable file .*not found|exec.*no such file or directory/is
const notExecutableText =
  /not executable|(exec|open executable|executable).*(permission denied|is a directory|exec format error)/is

/** Tells an error that lies in the command apart from one of the runtime; `command` is its first word. */
export function asCommandError(error: unknown, command: string): unknown {
  // An error with a code of ours is the runtime's own, whatever text of a guest's console it quotes.
  if (!(error instanceof ShimError) || error.code !== 'SHIM_CALL_FAILED') return error
  const fields = { command, reason: error.reason }
  if (notExecutableText.test(error.reason))
    return new KataError('COMMAND_NOT_EXECUTABLE', fields, { cause: error })
  if (notFoundText.test(error.reason)) return new KataError('COMMAND_NOT_FOUND', fields, { cause: error })
  return error
}

/** The exit code of `run` and `exec` for what {@link asCommandError} returned. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  if (!(error instanceof KataError)) return runtimeFailed
  if (error.code === 'SHIM_DIED') return killed
  if (error.code === 'COMMAND_NOT_EXECUTABLE') return notExecutable
  return error.code === 'COMMAND_NOT_FOUND' ? notFound : runtimeFailed
}
