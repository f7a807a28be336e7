/** The service for users who are not root. */
import { type CatalogueEntry, entry } from './entry.ts'

export const serviceErrors = {
  SERVICE_REFUSED: entry(
    'permission_denied',
    '{what} is only for root',
    'Run it as root or with sudo. What members of the group may do stands in the threat model, "The service and its group".',
  ),
  SERVICE_REQUEST: entry(
    'invalid_argument',
    'the service cannot take this request: {reason}',
    'Use the command line of the same version as the service.',
  ),
  SERVICE_NOT_A_MEMBER: entry(
    'permission_denied',
    'user {uid} is not a member of the group {group}',
    'Have root add the user (`usermod -aG {group} USER`), and log in again.',
  ),
  SERVICE_BUSY: entry(
    'resource_exhausted',
    'the service has {count} commands of user {uid} at work, which is the limit',
    'Wait for some of them to end.',
  ),
  SERVICE_UNREACHABLE: entry(
    'unavailable',
    'the service at {path} cannot be used ({reason})',
    'Be a member of the group of that socket, and see that the service runs: `systemctl status kata-ts.socket`.',
  ),
  SERVICE_LOST: entry(
    'unavailable',
    'the connection to the service was lost',
    'A container that ran goes on: see `kata-ts ps`. The log of the service says why it ended.',
  ),
  SERVICE_RUNNING: entry(
    'already_exists',
    'a service listens on {path} already',
    'Stop it first, or use another --socket.',
  ),
  SERVICE_NO_GROUP: entry(
    'not_found',
    'there is no group {group} for the socket of the service',
    'Make it: `groupadd --system {group}`, or name another with --group.',
  ),
  CALLER_FILE: entry(
    'permission_denied',
    '{path} cannot be used: {reason}',
    'The file is opened with your own rights; name one that you may use so.',
  ),
} satisfies Record<string, CatalogueEntry>
