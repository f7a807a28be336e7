/**
 * What this runtime does of the OCI runtime specification, as features.md and features-linux.md there want it said: a member is what a
 * config.json may ask for and gets. It is fixed when the program is built, and says nothing of the host.
 */
import { allCapabilities } from '../oci/defaults/capabilities.ts'
import { version } from '../version.ts'

/**
 * They go into the guest as they are, and these are what its crun knows. Left out are `shared` and `rshared`, because a mount of the
 * guest cannot reach the host (MOUNT_PROPAGATION); `idmap`, because ids of a user namespace of the host mean nothing in the guest; the
 * recursive options about access times, which its kernel refuses in crun's form (EINVAL of mount_setattr); and `remount`, which is no mount.
 */
const mountOptions = [
  ...['async', 'atime', 'bind', 'copy-symlink', 'defaults', 'dev', 'diratime', 'dirsync', 'exec'],
  ...['mand', 'noatime', 'nodev', 'nodiratime', 'noexec', 'nomand', 'norelatime', 'nostrictatime', 'nosuid'],
  ...['private', 'rbind', 'rdev', 'relatime', 'rexec', 'rnodev', 'rnoexec'],
  ...['rnosuid', 'ro', 'rprivate', 'rro', 'rrw', 'rslave', 'rsuid', 'runbindable', 'rw'],
  ...['slave', 'strictatime', 'suid', 'sync', 'tmpcopyup', 'unbindable'],
]

/** Without SCMP_ACT_NOTIFY: the socket of its listener is on the host, where no container can reach it. */
const seccompActions = ['ALLOW', 'ERRNO', 'KILL', 'KILL_PROCESS', 'KILL_THREAD', 'LOG', 'TRACE', 'TRAP']
const seccompOperators = ['EQ', 'GE', 'GT', 'LE', 'LT', 'MASKED_EQ', 'NE']
const seccompFlags = ['LOG', 'SPEC_ALLOW', 'TSYNC'].map((name) => `SECCOMP_FILTER_FLAG_${name}`)

/** The features document. */
export const features = {
  ociVersionMin: '1.0.0',
  ociVersionMax: '1.2.0',
  // Hooks are programs of the host. Those that fill a network namespace are run, others are not and a warning names them.
  hooks: [],
  mountOptions,
  linux: {
    // Network: the machine has the interfaces of that namespace. A user namespace is refused (SPEC_USER_NAMESPACE).
    namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'uts'],
    capabilities: allCapabilities,
    // The host's cgroups, at cgroupsPath; the limits hold in the guest, by version 2. systemd is not asked.
    cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: false },
    seccomp: {
      enabled: true,
      actions: seccompActions.map((name) => `SCMP_ACT_${name}`),
      operators: seccompOperators.map((name) => `SCMP_CMP_${name}`),
      archs: ['X86_64', 'X86', 'X32'].map((name) => `SCMP_ARCH_${name}`),
      knownFlags: seccompFlags,
      supportedFlags: seccompFlags,
    },
    // Labels and profiles are the host's, and taken out.
    apparmor: { enabled: false },
    selinux: { enabled: false },
    intelRdt: { enabled: false },
    mountExtensions: { idmap: { enabled: false } },
  },
  annotations: { 'io.containerd.kata-ts.version': version },
  // They change what the runtime does; one that ends with a dot stands for all that begin so.
  potentiallyUnsafeConfigAnnotations: [
    'io.katacontainers.',
    'io.kubernetes.container.terminationMessagePath',
    'io.kubernetes.cri-o.',
    'io.kubernetes.cri.',
    'io.kubernetes.pod.uid',
  ],
} as const
