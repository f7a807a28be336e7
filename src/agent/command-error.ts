/** Errors of CreateContainer and ExecProcess that the request itself caused. */
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** Machine-readable reasons that the agent of our own image gives. */
export const commandCodes = [
  'COMMAND_NOT_FOUND',
  'COMMAND_NOT_EXECUTABLE',
  'WORKDIR_INVALID',
  'MOUNT_KIND',
  'SYSCTL_REFUSED',
  'MEMORY_LIMIT_TOO_LOW',
] as const
/**
 * Kata's agent 4.1 gives no machine-readable reason: it answers INTERNAL, with this text between the frames of a backtrace. It starts a
 * file that it cannot execute all the same, and the process then exits with the errno as its code.
 */
const katasNotFound = /the file \S{1,255} was not found/

/** Returns any other error unchanged. `args` are the command and its arguments. */
export function asCommandError(error: unknown, args: unknown): unknown {
  if (!(error instanceof TtrpcError)) return error
  // An empty word is shown as one.
  const command = (Array.isArray(args) && String(args[0] ?? '')) || '""'
  const code = commandCodes.find((code) => code === error.reason)
  if (code !== undefined) return new KataError(code, { command, reason: error.message }, { cause: error })
  const [reason] = (error.code === 'internal' && katasNotFound.exec(error.message)) || []
  if (reason === undefined) return error
  return new KataError('COMMAND_NOT_FOUND', { command, reason }, { cause: error })
}
