/** Exit codes for what went wrong, as users know them from docker. */
import { type ErrorCode, KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'

/** The runtime itself failed; nothing is known of the command. */
export const runtimeFailed = 125
/** By code of the error, ours or the shim's. */
const exitCodes: { readonly [Code in ErrorCode]?: number } = {
  COMMAND_NOT_EXECUTABLE: 126,
  COMMAND_NOT_FOUND: 127,
  // Docker treats its runtime's "chdir to cwd ... no such file or directory" in the same way.
  WORKDIR_INVALID: 127,
  // 128 + SIGKILL: what the shim reports for a container whose shim was killed.
  SHIM_DIED: 137,
}

/** Wrong before any command begins, so that it is no code of a command's own. */
const beforeTheCommand: ReadonlySet<ErrorCode> = new Set([
  'USAGE',
  'OPTION_INVALID',
  'OPTION_CONFLICT',
  'TEMPLATE_INVALID',
  'COPY_PATH_INVALID',
  'IMAGE_NAME_INVALID',
  'CPUSET_INVALID',
  'NAME_INVALID',
  'ID_INVALID',
  'NOT_ROOT',
])

/** The exit codes of commands other than `run` and `exec`. */
export function exitCodeOfCommand(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  return error instanceof KataError && beforeTheCommand.has(error.code) ? runtimeFailed : 1
}

/** The exit codes of `run` and `exec`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  if (!(error instanceof KataError)) return runtimeFailed
  return exitCodes[error.code] ?? runtimeFailed
}
