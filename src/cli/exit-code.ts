/** Exit codes of this program for errors, as users know them from docker. */
import { KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import { ShimError } from './client/task.ts'

/** The runtime itself failed; nothing is known of the command. */
export const runtimeFailed = 125
const notExecutable = 126
const notFound = 127
/** 128 + SIGKILL: what the shim reports for a container whose shim was killed. */
const killed = 137

/** What the guest's runtime says of a command that cannot be run (crun and runc word it alike). */
const notFoundText =
  /executable file .* not found|no such file or directory.*exec|exec.*no such file or directory|COMMAND_NOT_FOUND/is
const notExecutableText =
  /(exec|open executable|executable).*(permission denied|is a directory|exec format error)|COMMAND_NOT_EXECUTABLE/is

/** The exit code of `run` and `exec` for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  if (error instanceof KataError && error.code === 'SHIM_DIED') return killed
  if (!(error instanceof ShimError)) return runtimeFailed
  if (notExecutableText.test(error.message)) return notExecutable
  return notFoundText.test(error.message) ? notFound : runtimeFailed
}
