/** Errors that were thrown without a code: by the operating system, or by a mistake of ours. */
import { describeError, KataError } from '../errors.ts'

/** Explains an error of the operating system: `open`, a path where the call has one, and ENOSPC. */
interface Errno extends Error {
  readonly code: string
  readonly syscall: string
  readonly path?: string
}

/** Directories of kata-ts: what is refused there is root's, and elsewhere it may be a file of the caller's own. */
const ours = /^\/(run|var\/lib|var\/cache)\/kata-ts(\/|$)/

/** The error itself where it has a code; else what caused it, where that has one. */
export function coded(error: unknown, isRoot = process.getuid?.() === 0): KataError {
  if (error instanceof KataError) return error
  if (error instanceof Error && error.cause instanceof KataError) return error.cause
  if (!isErrno(error)) return new KataError('INTERNAL', { reason: describeError(error) }, { cause: error })
  const { code: errno, syscall: call, path = 'of a file' } = error
  const isRefused = errno === 'EACCES' || errno === 'EPERM'
  if (isRefused && !isRoot && (error.path === undefined || ours.test(path)))
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
