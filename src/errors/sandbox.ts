/** The sandbox, its ledger and its shim. */
import { type CatalogueEntry, entry } from './entry.ts'

export const sandboxErrors = {
  PROCESS_STAYS: entry(
    'internal',
    'the {name} process {pid} was killed and does not exit',
    'It hangs in the kernel (see /proc/{pid}/stack); run `kata-ts gc` once it is gone.',
  ),
  RELEASE_FAILED: entry(
    'internal',
    'could not release everything: {held} still held ({reason})',
    'Run `kata-ts gc` once the cause is gone; what is still held stays written down.',
  ),
  START_GIVEN_UP: entry(
    'unavailable',
    'the start of sandbox {id} was given up: {reason}',
    'Nothing of it is left; start it again if that was not intended.',
  ),
  TEARDOWN_BUSY: entry(
    'unavailable',
    'another process is tearing down the sandbox in {path} and did not finish within {seconds} s',
    'Run `kata-ts gc` later. If this lasts, look for a hanging process `containerd-shim-kata-ts-v2 ... teardown`.',
  ),
  TEARDOWN_GOES_ON: entry(
    'deadline_exceeded',
    'sandbox {id} is not torn down yet, after {seconds} s: {held} still held',
    'It goes on by itself, in process {pid}; `kata-ts gc` waits for its end.',
  ),
  ID_INVALID: entry(
    'invalid_argument',
    'identifier {id} is not valid',
    'Use 1 to 76 letters, digits, dots, dashes and underscores, beginning with a letter or digit.',
  ),
  SHIM_RIGHTS: entry(
    'internal',
    'the shim has rights that it should have dropped: {found}',
    'Start it by its `start` action. If you did, report this.',
  ),
  SHIM_USAGE: entry(
    'invalid_argument',
    'the shim was called with invalid arguments: {problem}',
    'containerd and kata-ts call the shim; by hand: containerd-shim-kata-ts-v2 -namespace NS -id ID start|delete, or -v.',
  ),
  BUNDLE_INVALID: entry(
    'invalid_argument',
    'bundle {bundle} cannot be used: {problem}',
    'A bundle is a directory with an OCI config.json; the client of the shim makes it.',
  ),
  BUNDLE_FILE_INVALID: entry(
    'failed_precondition',
    '{path}, a file between kata-ts and its shim, cannot be used: {reason}',
    'kata-ts and its shim must be of one version: remove the container and run it again.',
  ),
  STATE_UNREADABLE: entry(
    'internal',
    'the state of a sandbox in {path} cannot be read: {reason}',
    'A sandbox of another version wrote it, or it was damaged: end that sandbox, and run `kata-ts gc`.',
  ),
  SHIM_EXISTS: entry(
    'already_exists',
    'a shim for sandbox {id} of namespace {namespace} is running: it answers at {path}',
    'Choose another name, or remove the sandbox first.',
  ),
  SANDBOX_REQUEST: entry(
    'invalid_argument',
    'sandbox {id} cannot be created as it was asked for: {problem}',
    'containerd asks for one with CRI’s description of the pod and no root file system; another client has to do the same.',
  ),
  POD_SHIM_GONE: entry(
    'unavailable',
    'container {id} cannot join its pod: the shim of pod {pod} does not answer',
    'The pod has ended or its shim was killed: remove the pod and run it again.',
  ),
  TASK_STATE: entry(
    'failed_precondition',
    'cannot {action} {id}: it is {state}',
    'Look at its state with `kata-ts ps`; a {state} process takes no {action}.',
  ),
  TASK_NOT_FOUND: entry('not_found', 'there is no {id}', 'List what there is with `kata-ts ps`.'),
  TASK_EXISTS: entry('already_exists', '{id} exists already', 'Choose another name, or remove it first.'),
  TASK_UNSUPPORTED: entry(
    'unimplemented',
    'kata-ts has no {action}',
    'Do without it: pods of containerd cannot be saved. `kata-ts suspend` saves containers of the command line.',
  ),
  STDIO_INVALID: entry(
    'invalid_argument',
    'standard stream {uri} cannot be used: {problem}',
    'Use an empty string, the path of a FIFO, or a file:// or binary:// URI with an absolute path.',
  ),
  SANDBOX_TOO_LARGE: entry(
    'resource_exhausted',
    'the pod needs a machine of {needed} MiB, {own} MiB of its own and the rest for its containers; the most is {most} MiB',
    'Lower the memory limits of its containers or default_memory, or raise default_maxmemory (0 means the memory of the host).',
  ),
  SANDBOX_DIED: entry(
    'unavailable',
    'sandbox {id} died: {reason}',
    'The machine and all that it held have been removed; the console tail and the shim log say more: {tail}',
  ),
  TERMINATION_FILE_INVALID: entry(
    'failed_precondition',
    'the termination message {path} is not written: {problem}',
    'Find out what replaced the file: the kubelet makes it new and empty for every container.',
  ),
  RUN_DIR_FULL: entry(
    'resource_exhausted',
    'no space is left for the state of sandbox {id} in {path}',
    'Make room there or give another --run-dir; what the start had taken has been released.',
  ),
  SANDBOX_NOT_RUNNING: entry(
    'not_found',
    'there is no running sandbox {id}',
    'See `kata-ts ps` for what runs; a sandbox that is just being started can be asked about a moment later.',
  ),
  SANDBOX_EXISTS: entry(
    'already_exists',
    'the state directory {path} exists',
    'Another sandbox has this name, or a crash left it: `kata-ts gc` removes what is dead.',
  ),
  LEDGER_KIND_UNKNOWN: entry(
    'internal',
    'ledger {path} names an unknown holding {kind}',
    'It was written by another version of kata-ts: run `kata-ts gc` of that version.',
  ),
  FAILPOINT: entry('internal', 'failpoint {name}: an injected fault', 'Unset KATA_TS_FAILPOINTS.'),
  FAILPOINT_INVALID: entry(
    'invalid_argument',
    '{variable} has an entry {entry} that is no failpoint',
    'Write [serve/|delete/|gc/]POINT:KIND=fail|hang|kill, POINT being before-take, after-take, before-release or after-release.',
  ),
  TEMPLATE_UNUSABLE: entry(
    'failed_precondition',
    'no clone of a template: {reason}',
    'Run `kata-ts factory init` after a boot of the host and after each change of kernel, VMM or configuration; or set `enable_template = false` in [factory].',
  ),
  POOL_UNUSABLE: entry(
    'failed_precondition',
    'no waiting machine is taken: {reason}',
    'The pod starts as a clone of the template, or boots. `kata-ts factory status` shows what waits, and `kata-ts gc` removes what is dead.',
  ),
  POOL_SERVED: entry(
    'already_exists',
    'another process keeps the waiting machines in {path}',
    'One `kata-ts factory serve` is enough for a run directory: stop the other one, or give another --run-dir.',
  ),
} satisfies Record<string, CatalogueEntry>
