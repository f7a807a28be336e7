/** The service for users who are not root. */
import { entry } from './entry.ts'

export const serviceErrors = () => ({
  SERVICE_REFUSED: entry(
    'permission_denied',
    '{what} is only for root',
    'Run it as root or with sudo. THREAT-MODEL.md, "The service and its group", lists what members may do.',
  ),
  SERVICE_REQUEST: entry(
    'invalid_argument',
    'the service refuses this request: {reason}',
    'Use the same version of the command line and of the service.',
  ),
  SERVICE_STREAM: entry(
    'invalid_argument',
    'the service cannot use {file} as standard {stream}: it {reason}',
    'Use an ordinary file, a pipe or a terminal, as in `cat FILE | kata-ts ...`, or /dev/null if the command does not need it.',
  ),
  SERVICE_NOT_A_MEMBER: entry(
    'permission_denied',
    'user {uid} is not a member of the group {group}',
    'Have root add the user (`usermod -aG {group} USER`), and log in again.',
  ),
  SERVICE_BUSY: entry(
    'resource_exhausted',
    'user {uid} has {count} commands running in the service, which is the limit',
    'Wait until one of them ends, or have root raise `--commands`.',
  ),
  SERVICE_UNREACHABLE: entry(
    'unavailable',
    'the service at {path} cannot be used ({reason})',
    'Check that the service runs (`systemctl status kata-ts.socket`) and that you are a member of the group of that socket (`id`).',
  ),
  SERVICE_LOST: entry(
    'unavailable',
    'the connection to the service was lost',
    'Containers go on: see `kata-ts ps`. The log of the service says why it ended (`journalctl -u kata-ts`).',
  ),
  SERVICE_RUNNING: entry(
    'already_exists',
    'another service already listens on {path}',
    'Stop it first, or use another --socket.',
  ),
  SERVICE_NO_GROUP: entry(
    'not_found',
    'there is no group {group} for the socket of the service',
    'Create it with `groupadd --system {group}`, or name another group with --group.',
  ),
  CALLER_FILE: entry(
    'permission_denied',
    '{path} cannot be used: {reason}',
    'The file is opened with your own rights: name one that you may open. Instead of a file in /proc or /sys, name a copy.',
  ),
})
