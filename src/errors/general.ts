/** Errors of any part. */
import { type CatalogueEntry, entry } from './entry.ts'

export const generalErrors = {
  NOT_ROOT: entry(
    'permission_denied',
    '{what} must be run as root',
    'Run it as root or with sudo; members of the group of `kata-ts service` run containers without (docs/how-to/service.md). kata-ts needs root to create accounts, namespaces and mounts, and gives it up for the VMM.',
  ),
  INTERNAL: entry(
    'internal',
    'kata-ts has an internal error: {reason}',
    'Report it with this text and your steps.',
  ),
  FILE_FAILED: entry(
    'internal',
    '{call} {path} failed with {errno}',
    'Check the path and the rights to it, and that its file system has room and can be written.',
  ),
  FILE_EXISTS: entry(
    'already_exists',
    '{path} exists already, and no file is replaced',
    'Remove it, or name another file.',
  ),
  OUTPUT_FAILED: entry(
    'internal',
    'standard output cannot be written ({errno})',
    'Check the space left at its destination, or the program that reads it.',
  ),
  SYSCALL_FAILED: entry('internal', '{call} failed: {errno}', 'See the named call and errno; {hint}'),
  SOCKET_PATH_TOO_LONG: entry(
    'invalid_argument',
    'socket path {path} has {length} bytes; the limit is {limit}',
    'Use a shorter name, namespace or run directory: the kernel allows 107 bytes and kata-ts keeps 100.',
  ),
} satisfies Record<string, CatalogueEntry>
