/** The command line, and its calls to shims. */
import { entry } from './entry.ts'

export const cliErrors = () => ({
  OPTION_INVALID: entry('invalid_argument', '{option} does not take {"value"}', 'Allowed: {allowed}.'),
  TEMPLATE_INVALID: entry(
    'invalid_argument',
    '--format {"template"}: {reason}',
    'docs/how-to/run.md has the fields and functions; --format json prints everything.',
  ),
  OPTION_CONFLICT: entry('invalid_argument', '{options} cannot be used together: {reason}', '{remedy}'),
  NAME_INVALID: entry(
    'invalid_argument',
    '{"name"} is not a valid {what} name',
    'Use 1 to {limit} letters and digits, separated by single dots, dashes or underscores.',
  ),
  DEVICE_OPTION_INVALID: entry(
    'invalid_argument',
    '--device {"device"}: {reason}',
    'Write --device SRC, SRC:DST or SRC:DST:r, where SRC is a device or disk image on the host and DST a path in the container.',
  ),
  ENV_FILE_INVALID: entry(
    'invalid_argument',
    '--env-file {place}: {reason}',
    'Write one KEY=VALUE per line, or KEY alone to pass yours on; lines that begin with # are comments.',
  ),
  VOLUME_INVALID: entry(
    'invalid_argument',
    'volume {"volume"} cannot be used: {reason}',
    'Write -v /host/path:/container/path or -v NAME:/container/path, and append :ro for read-only.',
  ),
  VOLUME_NOT_FOUND: entry(
    'not_found',
    'there is no volume {"name"} in namespace {namespace}',
    'See `kata-ts volume ls` for the names that exist.',
  ),
  VOLUME_IN_USE: entry(
    'failed_precondition',
    'volume {name} belongs to {containers}',
    'Remove these containers first, with `kata-ts rm`.',
  ),
  VOLUME_FILL_FAILED: entry(
    'failed_precondition',
    'volume {name} could not be filled with the files of the image in {path}: {reason}',
    'Run it again. If the volume may start empty, use nocopy: -v {name}:{path}:nocopy.',
  ),
  VOLUME_UNREADABLE: entry(
    'internal',
    'the record {path} of a volume cannot be read ({reason})',
    'Its files are beside it, in _data. Move them away, then remove the directory.',
  ),
  VOLUME_SOURCE_MISSING: entry(
    'not_found',
    'the source {source} of volume {volume} does not exist on the host',
    'Create it first: a missing source is never created for you.',
  ),
  USER_UNKNOWN: entry(
    'invalid_argument',
    '{"user"} is not known in the container (looked in its {file})',
    'Use a name that exists there, or numbers such as 1000:1000.',
  ),
  CONTAINER_EXISTS: entry(
    'already_exists',
    'a container named {name} exists in namespace {namespace}',
    'Choose another name, or remove it with `kata-ts rm {name}`.',
  ),
  CONTAINER_NOT_FOUND: entry(
    'not_found',
    'there is no container {"name"} in namespace {namespace}',
    'See `kata-ts ps` for the names that exist.',
  ),
  CONTAINER_NOT_RUNNING: entry(
    'failed_precondition',
    'container {name} is {status}, not running',
    'Make it run first: `kata-ts start {name}` if it has ended, `kata-ts unpause {name}` if it is paused, `kata-ts resume {name}` if it is suspended.',
  ),
  CONTAINER_RUNNING: entry(
    'failed_precondition',
    'container {name} is {status}',
    'End it first with `kata-ts stop {name}`. To remove it while it runs, use `kata-ts rm --force {name}`.',
  ),
  ATTACH_ELSEWHERE: entry(
    'failed_precondition',
    'container {name} belongs to the terminal in which an earlier version of kata-ts runs it',
    'Type the detach keys there first (ctrl-p ctrl-q with `run -it`), or use `kata-ts exec -it {name} sh`.',
  ),
  PORT_NOT_PUBLISHED: entry(
    'not_found',
    'port {port} of container {name} is not published',
    'See `kata-ts port {name}` for those that are; `kata-ts run --publish` publishes one.',
  ),
  CONTAINER_BUSY: entry(
    'unavailable',
    'another command is working on container {name}',
    'Wait for that command, then try again.',
  ),
  CONTAINER_NOT_ENDED: entry(
    'failed_precondition',
    'container {name} is {status}, and cannot be started again',
    'Wait until it has ended (`kata-ts wait {name}`); a container with --rm is removed then. `kata-ts resume {name}` continues a suspended one.',
  ),
  CONTAINER_NOT_SUSPENDED: entry(
    'failed_precondition',
    'container {name} is {status}, and has no saved machine',
    'To save a running container, use `kata-ts suspend {name}`. To boot one that has ended, use `kata-ts start {name}`.',
  ),
  SNAPSHOT_EXISTS: entry(
    'already_exists',
    'a snapshot named "{name}" exists in namespace {namespace}',
    'Choose another name, or remove it with `kata-ts snapshot rm {name}`.',
  ),
  SNAPSHOT_NOT_FOUND: entry(
    'not_found',
    'there is no snapshot "{name}" in namespace {namespace}',
    'See `kata-ts snapshot ls` for the names that exist.',
  ),
  COPY_PATH_INVALID: entry(
    'invalid_argument',
    'cp {"source"} {"destination"}: {reason}',
    'Write `kata-ts cp NAME:/path /host/path`, or `kata-ts cp /host/path NAME:/path`; a host path with a colon begins with ./ or /.',
  ),
  COPY_TARGET: entry(
    'failed_precondition',
    'nothing was copied to {path}: {reason}',
    'Name a path that does not exist yet, in a directory that does.',
  ),
  COPY_FAILED: entry(
    'failed_precondition',
    'the copy failed in container {name}: {reason}',
    'Check that the container has `tar`, that the path exists, and that there is space at the destination.',
  ),
  COPY_UNSAFE: entry(
    'failed_precondition',
    'the container sent the entry {entry}, which is refused: {reason}',
    'Nothing was copied. An honest tar does not send such an entry: do not trust this container.',
  ),
  CONTAINER_OOM: entry(
    'resource_exhausted',
    "container {id} ran out of memory: the guest's kernel killed one of its processes",
    'Raise --memory if it was set, else --machine-memory, which is the memory of the machine.',
  ),
  RECORD_UNREADABLE: entry(
    'internal',
    'the record {path} of a container cannot be read ({reason})',
    'Remove the container with `kata-ts rm --force`, which also ends its machine.',
  ),
  REMOVAL_UNFINISHED: entry(
    'unavailable',
    'files of a removed container are still in {path}: {reason}',
    'Run `kata-ts gc`, which continues the removal.',
  ),
  IMAGE_UNKNOWN: entry(
    'not_found',
    'there is no guest image {"id"} in {cacheDir}',
    'See `kata-ts guest list` for the ids that exist.',
  ),
  IMAGE_IN_USE: entry(
    'failed_precondition',
    'guest image {id} is {use}',
    'Build another one first (`kata-ts guest build`), or force it: `kata-ts guest rm --force {id}`.',
  ),
  LOG_NOT_KEPT: entry(
    'not_found',
    'the output of container {name} was not kept: an earlier version of kata-ts ran it in the foreground',
    'Start it again: `kata-ts start {name}`.',
  ),
  LOG_ELSEWHERE: entry(
    'failed_precondition',
    'kata-ts does not keep the output of container {name}: another client started it',
    'Use that client: `docker logs`, `crictl logs` or `kubectl logs`.',
  ),
  USAGE: entry('invalid_argument', '{problem}', 'See `{command} --help`.'),
  NOT_A_TERMINAL: entry(
    'failed_precondition',
    '--tty with --interactive needs a terminal, and standard input is not one',
    'Omit --tty when input comes from a pipe or a file.',
  ),
  CONTAINER_AMBIGUOUS: entry(
    'invalid_argument',
    '{count} containers begin with {"name"}',
    'Give more of the id: `kata-ts ps` shows whole ids.',
  ),
  CONTAINER_FOREIGN: entry(
    'failed_precondition',
    'container {name} belongs to another client of the runtime and cannot be {what} here',
    'Use the client that made it: ctr, Docker or Kubernetes.',
  ),
  SHIM_START_FAILED: entry(
    'unavailable',
    'the shim of container {id} did not start: {reason}',
    'Run again with --log-level debug to see its log.',
  ),
  SHIM_DELETE_FAILED: entry(
    'internal',
    'the resources of container {id} could not be released: {reason}',
    'Run `kata-ts gc` once the cause is gone.',
  ),
  SHIM_DIED: entry(
    'unavailable',
    'the shim of container {id} died while the container ran',
    'Its resources were released. The kernel log (`dmesg`) may say what killed it.',
  ),
  SHIM_UNREACHABLE: entry(
    'unavailable',
    'the shim of container {id} does not answer at {address} ({reason})',
    'If it is gone, `kata-ts gc` releases what it left.',
  ),
  SHIM_CALL_FAILED: entry(
    'internal',
    '{method} of container {id} failed with {status}: {reason}',
    'Run again with --log-level debug to see the log of the shim.',
  ),
})
