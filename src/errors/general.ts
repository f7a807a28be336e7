/** Errors of any part. */
import { entry } from './entry.ts'

export const generalErrors = () => ({
  NOT_ROOT: entry(
    'permission_denied',
    '{what} must be run as root',
    'Run it as root or with sudo. With `kata-ts service`, members of a group run containers without root (docs/how-to/service.md).',
  ),
  INTERNAL: entry(
    'internal',
    'kata-ts has an internal error: {reason}',
    'This is a bug in kata-ts: report it with this text and the steps that lead to it.',
  ),
  FILE_FAILED: entry(
    'internal',
    '{call} {path} failed with {errno}',
    'Check that the path exists and that you may use it, and that its file system is writable and has space left.',
  ),
  FILE_EXISTS: entry(
    'already_exists',
    '{path} exists already, and kata-ts does not replace it',
    'Remove it, or name another file.',
  ),
  OUTPUT_FAILED: entry(
    'internal',
    'standard output cannot be written ({errno})',
    'Check the space left at its destination, or whether the program that reads it has ended.',
  ),
  SYSCALL_FAILED: entry('internal', '{call} failed: {errno}', 'See the named call and errno; {hint}'),
  SOCKET_PATH_TOO_LONG: entry(
    'invalid_argument',
    'socket path {path} has {length} bytes; the limit is {limit}',
    'Use a shorter name, namespace or run directory.',
  ),
})
