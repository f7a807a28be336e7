/**
 * Every configuration key that has a meaning in kata-ts, as data. Parsing, defaults, validation, suggestions,
 * annotations, packaging/configuration.toml and docs/configuration.md all come from this one table. Names and the
 * values of absent keys are those of Kata Containers' configuration.toml; where ours differ, `meaning` says so.
 */
import type { AgentConfig, HypervisorConfig, RuntimeConfig } from './config.ts'
import {
  boolean,
  choice,
  integer,
  number,
  path,
  pathPatterns,
  string,
  strings,
  type ValueType,
  words,
} from './value-types.ts'

/** The tables of configuration.toml and the sections of Config that they fill. */
export interface Sections {
  readonly 'hypervisor.qemu': HypervisorConfig
  readonly 'agent.kata': AgentConfig
  readonly runtime: RuntimeConfig
}
export type TableName = keyof Sections

export interface KeySpec {
  readonly table: TableName
  readonly key: string
  /** Other spellings that Kata's two runtimes use. */
  readonly aliases: readonly string[]
  /** Name in the section of Config. */
  readonly field: string
  readonly type: ValueType<unknown>
  /** Value when a configuration file exists and does not have the key. */
  readonly absent: unknown
  /** Value in the file that we ship, and in the built-in configuration used when there is no file. */
  readonly shipped: unknown
  /** One or two sentences for people, the unit included. */
  readonly meaning: string
  /** Not a key of Kata Containers. */
  readonly own: boolean
  /** Name after `io.katacontainers.config.hypervisor.`, when a pod may ask for it. */
  readonly annotation?: string | undefined
  /** Field of HypervisorConfig with the patterns that an annotation's value must match, and its key. */
  readonly allowList?: { readonly field: AllowListField; readonly key: string } | undefined
}

export type AllowListField = 'validHypervisorPaths' | 'validVirtioFsDaemonPaths' | 'validEntropySources'

interface Extra<T> {
  readonly shipped?: T
  readonly own?: true
  readonly aliases?: readonly string[]
  readonly annotation?: string | undefined
  readonly allowList?: KeySpec['allowList']
}

/** Binds a table and returns the function that describes one of its keys; field, type and values must agree. */
function keysOf<Table extends TableName>(table: Table) {
  return <Field extends keyof Sections[Table] & string>(
    key: string,
    field: Field,
    type: ValueType<Sections[Table][Field]>,
    absent: Sections[Table][Field],
    meaning: string,
    { shipped = absent, own, aliases = [], ...annotation }: Extra<Sections[Table][Field]> = {},
  ): KeySpec => ({
    table,
    key,
    aliases,
    field,
    type,
    absent,
    shipped,
    meaning,
    own: own ?? false,
    ...annotation,
  })
}

/** QEMU's whole `-sandbox` line; an empty `seccompsandbox` stands for it. */
export const fullSeccompSandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

const sandboxLine =
  /^(on(,(obsolete|elevateprivileges|spawn|resourcecontrol)=(allow|deny)|,elevateprivileges=children)*)?$/
const cpuFeature = '[+-]?[a-zA-Z0-9][a-zA-Z0-9._-]*(=[a-zA-Z0-9._-]+)?'
const cpuFeatures = new RegExp(`^(${cpuFeature}(,${cpuFeature})*)?$`)

// What kata-ts itself says to virtiofsd, or what would widen its rights.
const reservedDaemonArgs =
  /^--(fd|socket|socket-path|socket-group|shared-dir|tag|sandbox|seccomp|cache|modcaps|uid-map|gid-map|print-capabilities|help|version)(=|$)/
const isDaemonArg = (text: string) =>
  /^--[a-z][a-z0-9-]*(=[!-~]*)?$/.test(text) && !reservedDaemonArgs.test(text)

const isKeyPattern = (text: string): boolean => {
  try {
    // Alone, not inside `^(?:...)$`: a stray parenthesis must not close that group.
    new RegExp(text)
    return text !== ''
  } catch {
    return false
  }
}

const hypervisor = keysOf('hypervisor.qemu')
const agent = keysOf('agent.kata')
const runtime = keysOf('runtime')

export const keys: readonly KeySpec[] = [
  hypervisor('path', 'path', path(), '/usr/bin/qemu-system-x86_64', 'The VMM program.', {
    annotation: 'path',
    allowList: { field: 'validHypervisorPaths', key: 'valid_hypervisor_paths' },
  }),
  hypervisor(
    'kernel',
    'kernel',
    path('the kernel of `kata-ts image build`'),
    '',
    'Guest kernel, uncompressed (ELF with a PVH note).',
    {
      annotation: 'kernel',
    },
  ),
  hypervisor(
    'initrd',
    'initrd',
    path('the initrd of `kata-ts image build`'),
    '',
    'Guest initrd. Excludes `image`.',
    {
      annotation: 'initrd',
    },
  ),
  hypervisor(
    'image',
    'image',
    path('none'),
    '',
    'Guest root file system: a raw disk image with the file system on the whole disk or on its first partition, and the agent as /sbin/init. Guests only read it, so all sandboxes can share one. Excludes `initrd`. The initrd of `kata-ts image build` mounts it; with a `kernel` of your own there is no initrd: that kernel must have virtio-blk and the file system built in, and takes the first partition unless `kernel_params` say otherwise (`root=/dev/vda`).',
    {
      annotation: 'image',
    },
  ),
  hypervisor(
    'rootfs_type',
    'rootfsType',
    choice(['ext4', 'xfs', 'erofs']),
    'ext4',
    'File system of `image`. The guest kernel must know it; that of `kata-ts image build` knows ext4.',
  ),
  hypervisor('kernel_params', 'kernelParams', words, [], 'Kernel parameters, appended last.', {
    annotation: 'kernel_params',
  }),
  hypervisor('machine_type', 'machineType', choice(['q35']), 'q35', 'QEMU machine type.', {
    annotation: 'machine_type',
  }),
  hypervisor(
    'cpu_features',
    'cpuFeatures',
    string(cpuFeatures, 'CPU features of QEMU parted by commas, for instance "pmu=off,-vmx"'),
    '',
    'Added to the CPU model.',
    { annotation: 'cpu_features' },
  ),
  hypervisor(
    'accelerator',
    'accelerator',
    choice(['auto', 'kvm', 'tcg']),
    'auto',
    '`auto` uses KVM when a guest really boots with it and TCG otherwise; `kvm` insists; `tcg` never opens /dev/kvm, and the VMM has no group at all.',
    { own: true },
  ),
  hypervisor(
    'rootless',
    'rootless',
    boolean,
    false,
    'Runs the VMM as a throw-away user, one per sandbox. False changes only the uid: jail, seccomp and NoNewPrivs stay. Absent means false, as in Kata.',
    { shipped: true, annotation: 'rootless' },
  ),
  hypervisor(
    'rootless_account',
    'rootlessAccount',
    choice(['useradd', 'userdb', 'none']),
    'useradd',
    'How the user exists: in /etc/passwd (`useradd`), as drop-ins in /run/userdb (`userdb`, /etc stays untouched), or as bare numbers (`none`).',
    { own: true },
  ),
  hypervisor(
    'rootless_uid_base',
    'rootlessUidBase',
    integer(65536, 2147287040, ', a multiple of 65536', (value) => value % 65536 === 0),
    1879048192,
    'First uid of the range reserved for sandboxes; every sandbox has a block of 65536 ids. It must not overlap any account or any line of /etc/subuid and /etc/subgid.',
    { own: true },
  ),
  hypervisor(
    'rootless_uid_blocks',
    'rootlessUidBlocks',
    integer(1, 4091),
    4091,
    'Blocks in that range, that is the most sandboxes at one time. The whole range must end below 2147352576.',
    { own: true },
  ),
  hypervisor(
    'enable_annotations',
    'enableAnnotations',
    strings(
      isKeyPattern,
      'regular expressions for the rest of the name after "io.katacontainers.config.hypervisor" and a dot',
    ),
    [],
    'Which pod annotations may change this table. Each entry is a regular expression for the whole name (Kata matches any part of it): "path" enables `path` alone.',
  ),
  hypervisor(
    'valid_hypervisor_paths',
    'validHypervisorPaths',
    pathPatterns,
    [],
    'What the annotation `path` may name. Empty: nothing.',
  ),
  hypervisor(
    'valid_virtio_fs_daemon_paths',
    'validVirtioFsDaemonPaths',
    pathPatterns,
    [],
    'What the annotation `virtio_fs_daemon` may name. Empty: nothing.',
  ),
  hypervisor(
    'valid_entropy_sources',
    'validEntropySources',
    pathPatterns,
    [],
    'What the annotation `entropy_source` may name. Empty: nothing.',
  ),
  hypervisor(
    'default_vcpus',
    'defaultVcpus',
    number(-1, 1024),
    1,
    'vCPUs of a sandbox; a fraction is rounded up when the machine is built. 0 means 1, -1 all CPUs of the host, more than the host has means that many.',
    { annotation: 'default_vcpus' },
  ),
  hypervisor(
    'default_maxvcpus',
    'defaultMaxVcpus',
    integer(0, 1024),
    0,
    'The most vCPUs after hot-plug. 0 means as many as the host has.',
    {
      annotation: 'default_max_vcpus',
      aliases: ['default_max_vcpus'],
    },
  ),
  hypervisor(
    'default_memory',
    'defaultMemory',
    integer(128, 16777216, ' MiB'),
    2048,
    'Memory of a sandbox in MiB. Kata replaces values below 256 by 2048; kata-ts takes them from 128 and refuses smaller ones.',
    { annotation: 'default_memory' },
  ),
  hypervisor(
    'default_maxmemory',
    'defaultMaxMemory',
    integer(0, 16777216, ' MiB'),
    0,
    'The most memory after hot-plug, in MiB. 0 means the memory of the host.',
  ),
  hypervisor('memory_slots', 'memorySlots', integer(0, 255), 10, 'Slots for memory hot-plug.', {
    annotation: 'memory_slots',
  }),
  hypervisor(
    'pcie_root_port',
    'pcieRootPort',
    integer(0, 16),
    4,
    'Free PCIe root ports for hot-plug (Kata: 0). Each costs some 20 ms of a boot under TCG.',
    {
      annotation: 'pcie_root_port',
    },
  ),
  hypervisor(
    'seccompsandbox',
    'seccompSandbox',
    string(
      sandboxLine,
      `"" or a line that begins with "on" and names obsolete, elevateprivileges, spawn, resourcecontrol`,
    ),
    fullSeccompSandbox,
    "QEMU's `-sandbox` value. Empty means the whole line (Kata: off); it cannot be switched off.",
    { aliases: ['seccomp_sandbox'] },
  ),
  hypervisor(
    'shared_fs',
    'sharedFs',
    choice(['virtio-fs']),
    'virtio-fs',
    'How host directories reach the guest.',
    {
      annotation: 'shared_fs',
    },
  ),
  hypervisor(
    'virtio_fs_daemon',
    'virtioFsDaemon',
    path(),
    '/usr/libexec/virtiofsd',
    'The virtiofsd program (Kata: no default).',
    {
      annotation: 'virtio_fs_daemon',
      allowList: { field: 'validVirtioFsDaemonPaths', key: 'valid_virtio_fs_daemon_paths' },
    },
  ),
  hypervisor(
    'virtio_fs_cache',
    'virtioFsCache',
    choice(['never', 'metadata', 'auto', 'always'], { none: 'never' }),
    'never',
    'How much the guest caches of shared files.',
    {
      shipped: 'auto',
      annotation: 'virtio_fs_cache',
    },
  ),
  hypervisor(
    'virtio_fs_queue_size',
    'virtioFsQueueSize',
    integer(8, 1024, ', a power of two', (value) => (value & (value - 1)) === 0),
    1024,
    'Length of the virtio-fs request queue.',
  ),
  hypervisor(
    'virtio_fs_extra_args',
    'virtioFsExtraArgs',
    strings(
      isDaemonArg,
      'arguments of the form --name or --name=value that neither kata-ts sets itself nor widen its rights',
    ),
    [],
    'Further arguments of virtiofsd. An annotation appends to them.',
    { shipped: ['--thread-pool-size=1'], annotation: 'virtio_fs_extra_args' },
  ),
  hypervisor(
    'entropy_source',
    'entropySource',
    path(),
    '/dev/urandom',
    "Where the guest's random numbers come from.",
    {
      annotation: 'entropy_source',
      allowList: { field: 'validEntropySources', key: 'valid_entropy_sources' },
    },
  ),
  hypervisor(
    'enable_debug',
    'enableDebug',
    boolean,
    false,
    'Lets the guest kernel tell its boot on the console (console.log in the state directory).',
  ),

  agent(
    'dial_timeout',
    'dialTimeout',
    integer(0, 3600, ' seconds'),
    45,
    'How long the agent may take to answer for the first time, in seconds. 0 means 30.',
  ),
  agent(
    'kernel_modules',
    'kernelModules',
    strings(
      (text) => /^[a-zA-Z0-9][ -~]*$/.test(text),
      'module names, each with its parameters after spaces',
    ),
    [],
    'Modules that the agent loads when the sandbox starts, for instance "e1000e InterruptThrottleRate=3000".',
  ),

  runtime('enable_debug', 'enableDebug', boolean, false, 'Lets the shim log in detail.'),
  runtime(
    'disable_guest_seccomp',
    'disableGuestSeccomp',
    boolean,
    true,
    'Runs containers in the guest without their seccomp profile. Absent means true, as in Kata; the file that we ship says false.',
    { shipped: false },
  ),
  runtime(
    'create_container_timeout',
    'createContainerTimeout',
    integer(1, 86400, ' seconds'),
    60,
    'How long creating a container may take, in seconds.',
  ),
]

/** The keys of one table, found by key or other spelling. */
export function findKey(table: TableName, name: string): KeySpec | undefined {
  return keys.find((spec) => spec.table === table && (spec.key === name || spec.aliases.includes(name)))
}
