/** The sandbox, its ledger and its shim. */
import { entry } from './entry.ts'

export const sandboxErrors = () => ({
  PROCESS_STAYS: entry(
    'internal',
    'the {name} process {pid} was killed but does not exit',
    'It hangs in the kernel (see /proc/{pid}/stack). Run `kata-ts gc` once it has ended.',
  ),
  PROCESS_ELSEWHERE: entry(
    'failed_precondition',
    'cannot see from here whether process {pid} of the pid namespace {namespace} is alive: this is another namespace',
    'Run the command in that pid namespace, where kata-ts runs its sandboxes. If it is gone, for instance because a container in which kata-ts ran has restarted, run `kata-ts gc` in the host’s own.',
  ),
  RELEASE_FAILED: entry(
    'internal',
    'could not release everything: {held} still held ({reason})',
    'Remove the cause, then run `kata-ts gc`, which releases the rest.',
  ),
  START_GIVEN_UP: entry(
    'unavailable',
    'the start of sandbox {id} was given up: {reason}',
    'Everything was released. Start it again if that was not intended.',
  ),
  TEARDOWN_BUSY: entry(
    'unavailable',
    'another process is tearing down the sandbox in {path} and did not finish within {seconds} s',
    'Run `kata-ts gc` later. If this lasts, look for a hanging process `containerd-shim-kata-ts-v2 ... teardown`.',
  ),
  TEARDOWN_GOES_ON: entry(
    'deadline_exceeded',
    'sandbox {id} is not torn down yet, after {seconds} s: {held} still held',
    'Process {pid} continues the teardown; `kata-ts gc` waits for it.',
  ),
  ID_INVALID: entry(
    'invalid_argument',
    'identifier {id} is not valid',
    'Use 1 to 76 letters, digits, dots, dashes and underscores, beginning with a letter or digit.',
  ),
  SHIM_RIGHTS: entry(
    'internal',
    'the shim has rights that it should have dropped: {found}',
    'Start the shim with its `start` action. If you did, report this as a bug.',
  ),
  SHIM_USAGE: entry(
    'invalid_argument',
    'the shim was called with invalid arguments: {problem}',
    'Let containerd or kata-ts call the shim. By hand: containerd-shim-kata-ts-v2 -namespace NS -id ID start|delete, or -v.',
  ),
  BUNDLE_INVALID: entry(
    'invalid_argument',
    'bundle {bundle} cannot be used: {problem}',
    'A bundle is a directory with an OCI config.json; the client of the shim makes it.',
  ),
  BUNDLE_FILE_INVALID: entry(
    'failed_precondition',
    '{path}, a file between kata-ts and its shim, cannot be used: {reason}',
    'kata-ts and its shim must have the same version: remove the container and run it again.',
  ),
  STATE_UNREADABLE: entry(
    'internal',
    'the state of a sandbox in {path} cannot be read: {reason}',
    'Another version of kata-ts wrote it, or it is damaged: end that sandbox, then run `kata-ts gc`.',
  ),
  SHIM_EXISTS: entry(
    'already_exists',
    'a shim for sandbox {id} of namespace {namespace} is running: it answers at {path}',
    'Choose another name, or remove the sandbox first.',
  ),
  SANDBOX_REQUEST: entry(
    'invalid_argument',
    'sandbox {id} cannot be created from this request: {problem}',
    'Send what containerd sends: CRI’s description of the pod, and no root file system.',
  ),
  POD_SHIM_GONE: entry(
    'unavailable',
    'container {id} cannot join its pod: the shim of pod {pod} does not answer',
    'The pod has ended or its shim was killed: remove the pod and run it again.',
  ),
  TASK_STATE: entry(
    'failed_precondition',
    'cannot {action} {id}: it is {state}',
    'See `kata-ts ps` for its state.',
  ),
  TASK_NOT_FOUND: entry('not_found', 'there is no {id}', 'List what exists with `kata-ts ps`.'),
  TASK_EXISTS: entry('already_exists', '{id} exists already', 'Choose another name, or remove it first.'),
  SIGNAL_UNKNOWN: entry(
    'invalid_argument',
    'there is no signal {signal}',
    'Send one from 1 to 64, as `kill -l` lists them, or 0, which only asks whether the process is there.',
  ),
  TASK_UNSUPPORTED: entry(
    'unimplemented',
    'kata-ts does not implement {action}',
    'Do without it. Pods of containerd cannot be saved; `kata-ts suspend` saves containers of `kata-ts run`.',
  ),
  STDIO_INVALID: entry(
    'invalid_argument',
    'standard stream {uri} cannot be used: {problem}',
    'Use an empty string, the path of a FIFO, or a file:// or binary:// URI with an absolute path.',
  ),
  SANDBOX_TOO_LARGE: entry(
    'resource_exhausted',
    'the pod needs a machine of {needed} MiB, {own} MiB of its own and the rest for its containers; the limit is {most} MiB',
    'Lower the memory limits of its containers or default_memory, or raise default_maxmemory (0 means the memory of the host).',
  ),
  SANDBOX_DIED: entry(
    'unavailable',
    'sandbox {id} died: {reason}',
    'The machine and all that it held have been removed. The end of its console and the log of the shim say more: {tail}',
  ),
  TERMINATION_FILE_INVALID: entry(
    'failed_precondition',
    'the termination message {path} is not written: {problem}',
    'Find out which program changed the file: the kubelet creates it anew and empty for each container.',
  ),
  RUN_DIR_FULL: entry(
    'resource_exhausted',
    'no space is left for the state of sandbox {id} in {path}',
    'Free space there, or use another --run-dir. The start released what it had taken.',
  ),
  SANDBOX_NOT_RUNNING: entry(
    'not_found',
    'there is no running sandbox {id}',
    'See `kata-ts ps` for running sandboxes. If it is just starting, try again in a moment.',
  ),
  SANDBOX_EXISTS: entry(
    'already_exists',
    'the state directory {path} exists already',
    'Choose another name. If a crash left the directory, `kata-ts gc` removes it.',
  ),
  LEDGER_KIND_UNKNOWN: entry(
    'internal',
    'ledger {path} names an unknown holding {kind}',
    'Another version of kata-ts wrote it: run `kata-ts gc` of that version.',
  ),
  FAILPOINT: entry('internal', 'failpoint {name}: an injected fault', 'Unset KATA_TS_FAILPOINTS.'),
  FAILPOINT_INVALID: entry(
    'invalid_argument',
    '{variable} has the entry {entry}, which is not a failpoint',
    'Write [serve/|delete/|gc/]POINT:KIND=fail|hang|kill, where POINT is before-take, after-take, before-release or after-release.',
  ),
  TEMPLATE_UNUSABLE: entry(
    'failed_precondition',
    'the pod cannot start as a clone of a template: {reason}',
    'Run `kata-ts factory init` after a boot of the host and after each change of kernel, VMM or configuration; or set `enable_template = false` in [factory].',
  ),
  POOL_UNUSABLE: entry(
    'failed_precondition',
    'the pod cannot take a waiting machine: {reason}',
    'It starts as a clone of the template, or boots. `kata-ts factory status` shows the waiting machines, and `kata-ts gc` removes dead ones.',
  ),
  POOL_REFUSED: entry(
    'failed_precondition',
    'no machines can be kept waiting: {reason}',
    'Set enable_template = true, and vm_cache_number to the number of machines that should wait, in [factory]; docs/how-to/templates.md says what rules a pool out.',
  ),
  POOL_SERVED: entry(
    'already_exists',
    'another `kata-ts factory serve` keeps the waiting machines in {path}',
    'Stop the other one, or use another --run-dir.',
  ),
})
