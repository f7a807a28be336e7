/** The agent's errors: ttrpc statuses, as Kata's agent uses them. */
import { type StatusName, TtrpcError } from '../../../src/ttrpc/ttrpc.ts'

const of = (status: StatusName) => (message: string, cause?: unknown) =>
  new TtrpcError(status, message, cause === undefined ? {} : { cause })

/** An unknown process. */
export const notFound = of('not_found')
/** An unknown container, or a request that makes no sense. */
export const invalid = of('invalid_argument')
export const alreadyExists = of('already_exists')
/** A right request at a wrong time. */
export const precondition = of('failed_precondition')
/** What a process does not have, for instance a terminal. */
export const unavailable = of('unavailable')
export const unimplemented = of('unimplemented')
export const deadline = of('deadline_exceeded')
/** Everything that should not happen; the message carries the cause. */
export const internal = of('internal')

/** The command of a container or an exec that cannot be run: a reason for programs, beside the words for people. */
export const commandNotFound = (message: string) =>
  new TtrpcError('not_found', message, { reason: 'COMMAND_NOT_FOUND' })
export const commandNotExecutable = (message: string) =>
  new TtrpcError('permission_denied', message, { reason: 'COMMAND_NOT_EXECUTABLE' })

/** A kernel parameter that the guest's kernel does not have, or whose value it does not take. */
export const sysctlRefused = (message: string, cause?: unknown) =>
  new TtrpcError('invalid_argument', message, { reason: 'SYSCTL_REFUSED', cause })
/** A disk of the host that the guest's kernel does not mount. */
export const diskUnmountable = (message: string, cause?: unknown) =>
  new TtrpcError('invalid_argument', message, { reason: 'DISK_UNMOUNTABLE', cause })
/** The working directory of a process is none. */
export const workdirInvalid = (message: string) =>
  new TtrpcError('invalid_argument', message, { reason: 'WORKDIR_INVALID' })

/** A mount of a file where the container has a directory, or the other way round. */
export const mountKind = (message: string) =>
  new TtrpcError('invalid_argument', message, { reason: 'MOUNT_KIND' })

/** A memory limit in which no container can be made. */
export const memoryLimitTooLow = (message: string, cause?: unknown) =>
  new TtrpcError('invalid_argument', message, { reason: 'MEMORY_LIMIT_TOO_LOW', cause })

/** The text of any thrown value. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
