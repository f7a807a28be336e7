/** Keys about who the VMM runs as, and what a pod may change. */
import type { AccountMode, KvmAccess, LandlockMode } from '../config.ts'
import { type Key, keysOf } from '../key-spec.ts'
import { unassignedEnd } from '../unassigned-ids.ts'
import { boolean, choice, integer, pathPatterns, strings } from '../value-types.ts'

const isKeyPattern = (text: string): boolean => {
  try {
    // Alone, not inside `^(?:...)$`: a stray parenthesis must not close that group.
    new RegExp(text)
    return text !== ''
  } catch {
    return false
  }
}

export interface RightsFields {
  readonly rootless: boolean
  readonly kvmAccess: KvmAccess
  readonly landlock: LandlockMode
  /** Or SCHED_CORE in the environment. */
  readonly enableCoreScheduling: boolean
  readonly rootlessAccount: AccountMode
  /** First uid of the reserved range; a block of 65536 ids per sandbox. */
  readonly rootlessUidBase: number
  /** How many blocks, that is how many sandboxes at most. */
  readonly rootlessUidBlocks: number
  readonly enableAnnotations: readonly string[]
  /** File name patterns that the annotation `path` may name. */
  readonly validHypervisorPaths: readonly string[]
  /** Likewise for `virtio_fs_daemon`. */
  readonly validVirtioFsDaemonPaths: readonly string[]
  /** Likewise for `entropy_source`. */
  readonly validEntropySources: readonly string[]
}

const key = keysOf('hypervisor')

export const rightsKeys = (): readonly Key[] => [
  key(
    'rootless',
    'rootless',
    boolean,
    false,
    "Runs the VMM as a throw-away user, one per sandbox (Firecracker: the jailer is given that user's ids). False changes only the uid: jail, seccomp and NoNewPrivs stay. If missing from one of Kata's files it means false, as in Kata; Firecracker is never root.",
    {
      shipped: true,
      wall: true,
      opens: {
        wall: 'rootless',
        what: (rootless) => (rootless ? undefined : 'the VMM runs as root of this host (rootless = false)'),
      },
      annotation: 'rootless',
      example: 'true',
      restricting: true,
    },
  ),
  key(
    'kvm_access',
    'kvmAccess',
    choice(['group', 'descriptor']),
    'group',
    'How the VMM gets KVM. `group`: its only supplementary group is that of /dev/kvm, as in Kata. On hosts with systemd that group also owns /dev/vhost-vsock, /dev/vhost-net and /dev/udmabuf, which are not in the jail. `descriptor`: root opens the node and hands it over, so the VMM has no group and sees no node, and the node may be 0600 root. This is the better choice, but needs QEMU 9 or later.',
    { own: true, wall: true, optional: true, elsewhere: 'it opens /dev/kvm itself, by its path' },
  ),
  key(
    'landlock',
    'landlock',
    choice(['required', 'best-effort']),
    'required',
    'Landlock limits what the processes of a jail reach in their own root. `required`: nothing starts if the kernel or setpriv lacks it. `best-effort`: the sandbox starts without it, and every start says so. Firecracker itself never has it, because its jailer cannot set it.',
    { own: true, wall: true },
  ),
  key(
    'enable_core_scheduling',
    'enableCoreScheduling',
    boolean,
    false,
    "Keeps every other process of the host off the second hyper-thread of a core on which the VMM and its guest run: prctl(PR_SCHED_CORE), one group for each VMM. It closes side channels between the threads of a core, and costs throughput on a busy host. Nothing starts on a kernel without CONFIG_SCHED_CORE, such as Debian's; a host without hyper-threads has nothing to separate. SCHED_CORE in the shim's environment, which containerd sets for `sched_core`, asks for the same.",
    {
      own: true,
      wall: true,
      annotation: 'enable_core_scheduling',
      example: 'true',
      restricting: true,
    },
  ),
  key(
    'rootless_account',
    'rootlessAccount',
    choice(['useradd', 'userdb', 'none']),
    'useradd',
    'How the user exists: in /etc/passwd (`useradd`), as drop-ins in /run/userdb (`userdb`, /etc stays untouched), or as bare numbers (`none`).',
    { own: true },
  ),
  key(
    'rootless_uid_base',
    'rootlessUidBase',
    integer(65536, 2147287040, ', a multiple of 65536', (value) => value % 65536 === 0),
    1879048192,
    'First uid of the range reserved for sandboxes; every sandbox has a block of 65536 ids. It must not overlap any account or any line of /etc/subuid and /etc/subgid.',
    { own: true },
  ),
  key(
    'rootless_uid_blocks',
    'rootlessUidBlocks',
    integer(1, 4091),
    4091,
    `Blocks in that range, which is the maximum number of sandboxes that can run at the same time. The whole range must end below ${unassignedEnd}.`,
    { own: true },
  ),
  key(
    'enable_annotations',
    'enableAnnotations',
    strings(
      isKeyPattern,
      'regular expressions for the rest of the name after "io.katacontainers.config.hypervisor.", or after "io.katacontainers.config." for "agent." and "runtime."',
    ),
    [],
    'Which annotations a pod may have. Each entry is a regular expression for the whole name (Kata matches any part of it): "path" enables `path` alone. Annotations of the other tables need an entry, too (in Kata they need no permission), with "runtime." or "agent." before the name: "runtime.sandbox_cgroup_only".',
    { wall: true },
  ),
  key(
    'valid_hypervisor_paths',
    'validHypervisorPaths',
    pathPatterns,
    [],
    'Programs that the annotation `path` may name. Empty: none.',
    { wall: true },
  ),
  key(
    'valid_virtio_fs_daemon_paths',
    'validVirtioFsDaemonPaths',
    pathPatterns,
    [],
    'Programs that the annotation `virtio_fs_daemon` may name. Empty: none.',
    { wall: true, optional: true },
  ),
  key(
    'valid_entropy_sources',
    'validEntropySources',
    pathPatterns,
    [],
    'Sources that the annotation `entropy_source` may name. Empty: none.',
    { wall: true, optional: true },
  ),
]
