/** The throw-away user: lease, account, private directory, jail and posture. */
import { entry } from './entry.ts'

export const rootlessErrors = () => ({
  UID_RANGE_INVALID: entry(
    'invalid_argument',
    'the range of VMM users is unusable: base {base}, {blocks} blocks of 65536 ids',
    'Set rootless_uid_base to a multiple of 65536 from 65536 on, and rootless_uid_blocks so that the range ends below 2147352576.',
  ),
  UID_RANGE_OVERLAP: entry(
    'failed_precondition',
    '{file} line {line} ("{text}") lies in the range reserved for VMM users, {first} to {last}',
    'Remove that line, or move the range with rootless_uid_base and rootless_uid_blocks.',
  ),
  UPPER_IDS_TAKEN: entry(
    'failed_precondition',
    '{file} line {line} ("{text}") assigns ids from 2147483648 on, which unprivileged virtiofsd processes use for files',
    'Give that user or group ids below 2147483648, keep subordinate ids in files (`subid: files`), or set virtio_fs_privilege = "root".',
  ),
  UID_RANGE_EXHAUSTED: entry(
    'resource_exhausted',
    'no VMM user is free: all {blocks} blocks of ids from {first} to {last} are leased',
    'Stop sandboxes, free what dead ones left with `kata-ts gc`, or raise rootless_uid_blocks.',
  ),
  UID_STILL_USED: entry(
    'failed_precondition',
    'ids {first} to {last} stay leased: {what} is left',
    'Remove it, then run `kata-ts gc`. Until then no sandbox gets these ids.',
  ),
  ACCOUNT_TAKEN: entry(
    'already_exists',
    'an account named {name} or with id {uid} exists already',
    'Run `kata-ts gc`; if the account is not from kata-ts, move the range with rootless_uid_base.',
  ),
  ACCOUNT_FAILED: entry(
    'internal',
    '{tool} for account {name} failed with exit code {code}: {stderr}',
    'See the message of {tool}; rootless_account = "userdb" or "none" needs no account in /etc.',
  ),
  ACCOUNT_TOOL_MISSING: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the package passwd, or set rootless_account = "userdb" or "none".',
  ),
  ETC_READ_ONLY: entry(
    'failed_precondition',
    '{path} cannot be written ({errno}), so no account can be made with useradd',
    'Set rootless_account = "userdb" (drop-ins in /run/userdb) or "none" (bare numbers).',
  ),
  KVM_MISSING: entry(
    'failed_precondition',
    '{path} is not a KVM device node ({reason})',
    'Enable virtualization in the firmware and load kvm_intel or kvm_amd. With QEMU you can set accelerator = "tcg" instead: emulation, which is slow and no security boundary.',
  ),
  KVM_GROUP_UNUSABLE: entry(
    'failed_precondition',
    '{path} belongs to group {gid} with mode {mode}: no group can be handed to the VMM user that opens it',
    'Run `groupadd kvm -r`, `chown root:kvm {path}` and `chmod 660 {path}` (or `kata-ts check --fix-kvm`). `kata-ts check` says whether this host has KVM at all; if it does not, set accelerator = "tcg", which is slow and no security boundary.',
  ),
  CORE_SCHEDULING_MISSING: entry(
    'failed_precondition',
    'the machine cannot be kept from sharing cores with others: {reason}',
    "Use a kernel with CONFIG_SCHED_CORE (Linux 5.14 or later; Debian builds its kernels without it). Or set enable_core_scheduling = false, and remove sched_core or SCHED_CORE from containerd's configuration.",
  ),
  PRIVATE_DIR_OCCUPIED: entry(
    'already_exists',
    '{path} exists already, and this sandbox did not make it',
    'Run `kata-ts gc`, which removes it if a dead sandbox left it. Otherwise find out who made it.',
  ),
  PRIVATE_DIR_PARENT_UNSAFE: entry(
    'failed_precondition',
    '{path} is not a directory that only root can write ({reason})',
    'Make it a directory owned by root with mode 0755, or name another one where --run-dir or --state-dir named it.',
  ),
  JAIL_MEMORY_LOCK: entry(
    'failed_precondition',
    '{program} needs to lock {wantedMiB} MiB of memory for its devices, and {allowedMiB} MiB are allowed',
    'Set LimitMEMLOCK=infinity in the unit of containerd, or give it CAP_SYS_RESOURCE. Or set hot_plug_vfio and cold_plug_vfio to "no-port".',
  ),
  JAIL_TOOL_MISSING: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the packages util-linux, dash, bash and coreutils: the VMM is confined with them.',
  ),
  JAIL_NO_LANDLOCK: entry(
    'failed_precondition',
    '{program} would run without Landlock: {reason}',
    'Use Linux 5.13 or later with landlock in its lsm= parameter, and util-linux 2.40 or later. Or accept it with landlock = "best-effort".',
  ),
  JAIL_SPEC_INVALID: entry(
    'invalid_argument',
    'the jail of {program} cannot be built: {reason}',
    'Correct the path or identity that is named.',
  ),
  JAIL_FAILED: entry(
    'internal',
    '{program} was not started: confinement step {step} failed ({exit}): {detail}',
    'Nothing was started. The named step needs root with all capabilities; check the kernel and util-linux.',
  ),
  PROCESS_GONE: entry(
    'unavailable',
    'process {pid} ended while it was inspected',
    'Look at its log and exit status.',
  ),
  POSTURE_DIFFERS: entry(
    'failed_precondition',
    'process {pid} is not confined as asked: {differences}',
    'The process was stopped. Check whether an LSM, a wrapper or another runtime on this host changes processes as they start.',
  ),
})
