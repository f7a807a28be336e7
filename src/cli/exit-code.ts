/** Exit codes of `run` and `exec` for what went wrong, as users know them from docker. */
import { KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import { ShimError } from './client/task.ts'

/** The runtime itself failed; nothing is known of the command. */
export const runtimeFailed = 125
/** By code of the error, ours or the shim's. */
const exitCodes: Readonly<Record<string, number>> = {
  COMMAND_NOT_EXECUTABLE: 126,
  COMMAND_NOT_FOUND: 127,
  // 128 + SIGKILL: what the shim reports for a container whose shim was killed.
  SHIM_DIED: 137,
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  if (!(error instanceof KataError || error instanceof ShimError)) return runtimeFailed
  return exitCodes[error.code] ?? runtimeFailed
}
