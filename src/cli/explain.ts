/** Errors as a person reads them: each with a code, and with what to do. */
import { describeError, KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import type { Settings } from './settings.ts'

/** Explains an error of the operating system: `open`, a path where the call has one, and ENOSPC. */
interface Errno extends Error {
  readonly code: string
  readonly syscall: string
  readonly path?: string
}

/** Tells a person what went wrong, and the log (at debug) what led to it. */
export function tellError(
  { tell, log, note }: Pick<Settings, 'tell' | 'log' | 'note'>,
  error: unknown,
): void {
  tell(explain(error))
  note?.(error)
  if (error instanceof Error && error.cause !== undefined) log.debug('it was caused', { error })
}

export function explain(error: unknown): string {
  const isOurs = error instanceof KataError || error instanceof Interrupted
  return isOurs ? error.message : coded(error).message
}

/** An error that has no code of its own with one. */
export function coded(error: unknown): KataError {
  if (!isErrno(error)) return new KataError('INTERNAL', { reason: describeError(error) }, { cause: error })
  const { code: errno, syscall: call, path = 'of a file' } = error
  if ((errno === 'EACCES' || errno === 'EPERM') && process.getuid?.() !== 0)
    return new KataError('NOT_ROOT', { what: 'kata-ts' }, { cause: error })
  if (errno === 'EEXIST' && error.path !== undefined)
    return new KataError('FILE_EXISTS', { path }, { cause: error })
  return new KataError('FILE_FAILED', { call, path, errno }, { cause: error })
}

function isErrno(error: unknown): error is Errno {
  if (!(error instanceof Error)) return false
  const { code, syscall } = error as Partial<Errno>
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) && typeof syscall === 'string'
}
