/** Of the errors that CreateContainer and ExecProcess answer with: those that lie in what was asked for. */
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** Reasons that the agent of our own image gives as a word for programs. */
export const commandCodes = [
  'COMMAND_NOT_FOUND',
  'COMMAND_NOT_EXECUTABLE',
  'WORKDIR_INVALID',
  'SYSCTL_REFUSED',
] as const
/**
 * Kata's agent 4.1 has no word for programs: it answers INTERNAL, and between the frames of a backtrace stands this. What
 * it finds and cannot execute it starts all the same; the process then ends with the errno as its exit code.
 */
const katasNotFound = /the file \S{1,255} was not found/

/** Any other error is given back as it is. `args` are the command and its arguments. */
export function asCommandError(error: unknown, args: unknown): unknown {
  if (!(error instanceof TtrpcError)) return error
  const command = Array.isArray(args) ? String(args[0]) : ''
  const code = commandCodes.find((code) => code === error.reason)
  if (code !== undefined) return new KataError(code, { command, reason: error.message }, { cause: error })
  const [reason] = (error.code === 'internal' && katasNotFound.exec(error.message)) || []
  if (reason === undefined) return error
  return new KataError('COMMAND_NOT_FOUND', { command, reason }, { cause: error })
}
