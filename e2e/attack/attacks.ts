/**
 * What a VMM process under foreign control tries, and what it gets. Data only: the act is what attacker.c performs,
 * words in braces are filled in by targets.ts.
 */

/** What a row may say besides its columns. */
export interface Exception {
  /** Not every host has the thing attacked; without it neither control nor attack would show anything. */
  readonly optional?: true
  /** The control, where the act itself makes sense inside of the jail only. */
  readonly rootAct?: string
  /** With rootless off, root in the same jail succeeds: the user was the wall, not the jail. */
  readonly fallsWithoutUser?: true
}

/**
 * - goal: "to ..."
 * - act
 * - jailed: what the attacker gets in the VMM's place, with its identity and in its jail
 * - user: what the same user gets without any jail, where the user alone is a wall of its own; `-` where it is none
 * - root: the positive control, by root outside: `ok`. Where success would harm the host, the act is formed so that
 *   it fails for root at a later point than the wall: then this is that later error.
 */
export type Attack = readonly [
  goal: string,
  act: string,
  jailed: string,
  user: string,
  root: string,
  exception?: Exception,
]

/** The host's files, other sandboxes' and the runtime's own state. */
const fileAttacks: readonly Attack[] = [
  ['read the password hashes', 'open-read /etc/shadow', 'ENOENT', 'EACCES', 'ok'],
  ['read the accounts', 'open-read /etc/passwd', 'ENOENT', '-', 'ok'],
  ["look into root's home", 'list /root', 'ENOENT', 'EACCES', 'ok'],
  ["read the runtime's configuration", 'open-read {config}', 'ENOENT', '-', 'ok'],
  ["look into the runtime's images", 'list {images}', 'ENOENT', 'EACCES', 'ok'],
  ["read its own sandbox's ledger", 'open-read {ledger}', 'ENOENT', 'EACCES', 'ok'],
  ["read the neighbour's ledger", 'open-read {neighbourLedger}', 'ENOENT', 'EACCES', 'ok'],
  ["look into its neighbour's directory", 'list {neighbourDir}', 'ENOENT', 'EACCES', 'ok'],
  ['climb out of the root', 'stat ../../../../etc/passwd', 'ENOENT', '-', 'ok'],
  ['find the old root', 'list /old', 'EACCES', '-', 'ok', { rootAct: 'list /' }],
  ['list its own root', 'list /', 'EACCES', '-', 'ok'],
  ['read kernel facts', 'open-read /proc/version', 'ENOENT', '-', 'ok'],
  ['read its own process', 'open-read /proc/self/maps', 'ENOENT', '-', 'ok'],
  ['read devices of the host', 'list /sys/class', 'ENOENT', '-', 'ok'],
  ['change a system program', 'open-write /usr/bin/env', 'EACCES', 'EACCES', 'ok'],
  ['place a file below /usr', 'create /usr/attacker', 'EROFS', 'EACCES', 'ok'],
  ['place a file in its root', 'create /attacker', 'EROFS', 'EACCES', 'ok'],
  ['make a directory', 'mkdir /var/tmp/attacker', 'ENOSYS', 'ok', 'ok'],
  ['make a link', 'symlink /dev/attacker', 'ENOSYS', 'EACCES', 'ok'],
  ['run a program of the host', 'exec /usr/bin/true', 'ENOENT', '-', 'ok'],
  ['read a program of the host', 'open-read /usr/bin/true', 'ENOENT', '-', 'ok'],
  ['run a shell', 'exec /usr/bin/bash -c :', 'EACCES', '-', 'ok'],
  ['run it by the loader', 'exec /lib64/ld-linux-x86-64.so.2 /usr/bin/bash -c :', 'exit 127', '-', 'ok'],
  ['read what started it', 'open-read /usr/bin/setpriv', 'EACCES', '-', 'ok'],
  ['list the programs of the host', 'list /usr/bin', 'EACCES', '-', 'ok'],
]

/** Devices. The attacker's user has the group of /dev/kvm, its machine runs in software. */
const deviceAttacks: readonly Attack[] = [
  ["read the host's disk", 'open-read {disk}', 'ENOENT', 'EACCES', 'ok'],
  ['open /dev/kvm without need', 'open-write /dev/kvm', 'ENOENT', 'ok', 'ok', { optional: true }],
  ['make a network interface', 'open-read /dev/net/tun', 'ENOENT', '-', 'EBADFD', { optional: true }],
  ['make a device node', 'mknod {scratch}/node', 'ENOSYS', 'EPERM', 'ok'],
  ['reach the I/O ports', 'iopl 3', 'ENOSYS', 'EPERM', 'ok', { optional: true }],
]

/** Other processes, by the numbers that the host has for them. */
const processAttacks: readonly Attack[] = [
  ["read the neighbour's memory by /proc", 'read-memory {neighbour} {address}', 'ENOENT', 'EACCES', 'ok'],
  ["read the neighbour's memory", 'process_vm_readv {neighbour} {address}', 'ENOSYS', 'EPERM', 'ok'],
  ['trace the neighbour', 'seize {neighbour}', 'ENOSYS', 'EPERM', 'ok'],
  ["take the neighbour's descriptors", 'pidfd-getfd {neighbour}', 'ENOSYS', 'EPERM', 'ok'],
  ["compare the neighbour's memory map", 'kcmp {neighbour} {neighbour} 1', 'ENOSYS', 'EPERM', 'ok'],
  ['find any other process', 'find-process', 'ESRCH', 'ok', 'ok'],
  ['learn the session of its shim', 'getsid {shim}', 'ENOSYS', 'ok', 'ok'],
  ['signal the neighbour', 'kill {neighbour} 0', 'ESRCH', 'EPERM', 'ok'],
  ['signal its shim', 'kill {shim} 0', 'ESRCH', 'EPERM', 'ok'],
  ['signal by descriptor', 'pidfd-signal {neighbour}', 'ENOSYS', 'EPERM', 'ok'],
  ["change the neighbour's priority", 'setpriority 0 {neighbour} 0', 'ENOSYS', 'EPERM', 'ok'],
  ["move the neighbour's processors", 'sched_setaffinity {neighbour} 0 buffer', 'ENOSYS', 'EPERM', 'EINVAL'],
  ['outlive its shim', 'prctl 1 0', 'EPERM', '-', 'ok'],
  ["find the host's shared memory", 'shared-memory {shm}', 'ENOSYS', 'EACCES', 'ok'],
]

/** Sockets, also those that the VMM itself serves: their files are for root. */
const socketAttacks: readonly Attack[] = [
  ["connect to the neighbour's monitor", 'connect {neighbourDir}/qmp.sock', 'ENOENT', 'EACCES', 'ok'],
  ['connect to its own monitor', 'connect {ownDir}/qmp.sock', 'ENOENT', 'EACCES', 'ok'],
  ["connect to its own guest's agent", 'connect {ownDir}/agent.sock', 'ENOENT', 'EACCES', 'ok'],
  ['connect to its own file server', 'connect {ownDir}/vhost-fs.sock', 'ENOENT', 'EACCES', 'ok'],
  ['connect to a service of the host', 'connect-tcp {port}', 'EAFNOSUPPORT', '-', 'ok'],
  ["connect to the host's abstract sockets", 'connect-abstract {abstract}', 'ECONNREFUSED', '-', 'ok'],
  ['connect to a system service', 'connect {service}', 'ENOENT', '-', 'ok'],
  ['capture packets', 'socket 17 3 0x300', 'EAFNOSUPPORT', 'EPERM', 'ok'],
  ['forge packets', 'socket 2 3 1', 'EAFNOSUPPORT', 'EPERM', 'ok'],
  ['reach other guests by vsock', 'socket 40 1 0', 'EAFNOSUPPORT', '-', 'ok'],
  ['reach other families by a pair', 'socketpair 16 3 0 buffer', 'EAFNOSUPPORT', '-', 'EOPNOTSUPP'],
  ['bring an interface up', 'loopback-up', 'EAFNOSUPPORT', 'EPERM', 'ok'],
]

/** Interfaces of the kernel. */
const kernelAttacks: readonly Attack[] = [
  ['load a module', 'init_module buffer 16 buffer', 'ENOSYS', 'EPERM', 'ENOEXEC', { optional: true }],
  ['load a module from a file', 'finit_module -1 buffer 0', 'ENOSYS', 'EPERM', 'EBADF', { optional: true }],
  ['remove a module', 'delete_module no-such-module 0', 'ENOSYS', 'EPERM', 'ENOENT', { optional: true }],
  ['start another kernel', 'kexec_load 0 0 0 -1', 'ENOSYS', 'EPERM', 'EINVAL', { optional: true }],
  ['reboot', 'reboot 0 0 0 0', 'ENOSYS', 'EPERM', 'EINVAL'],
  ['add swap', 'swapon /no-such-file 0', 'ENOSYS', 'EPERM', 'ENOENT'],
  ['remove swap', 'swapoff /no-such-file', 'ENOSYS', 'EPERM', 'ENOENT'],
  ['account processes', 'acct /no-such-file', 'ENOSYS', 'EPERM', 'ENOENT'],
  ['load a BPF program', 'bpf 0 buffer 72', 'ENOSYS', '-', 'EINVAL'],
  ['count events', 'count-events', 'ENOSYS', '-', 'ok'],
  ['list keys', 'keyctl 0 -3 1', 'ENOSYS', '-', 'ok'],
  ['add a key', 'add_key user attacker buffer 8 -2', 'ENOSYS', '-', 'ok'],
  ['request a key', 'request_key user no-such-key 0 -2', 'ENOSYS', '-', 'ENOKEY'],
  ['set up io_uring', 'io_uring_setup 1 buffer', 'ENOSYS', '-', 'ok'],
  ['handle page faults', 'userfaultfd 1', 'ENOSYS', '-', 'ok', { optional: true }],
  ['watch files', 'fanotify_init 0 0', 'ENOSYS', 'EPERM', 'ok'],
  ['open a file by its handle', 'open-by-handle /usr/bin/env /', 'ENOSYS', 'EPERM', 'ok', { optional: true }],
  ['watch the programs that the host runs', 'inotify_init1 0', 'ENOSYS', '-', 'ok'],
  ['read the table of local descriptors', 'modify_ldt 0 buffer 64', 'ENOSYS', '-', 'ok'],
  ['make a process', 'clone 0', 'EPERM', '-', 'ok'],
  ['run a program out of memory', 'exec-memory', 'ENOSYS', '-', 'ok'],
  [
    'clone a mount by a newer call',
    'open_tree_attr -100 / 1 0 0',
    'ENOSYS',
    'EPERM',
    'ok',
    { optional: true },
  ],
  ['change the execution domain', 'personality 0x40000', 'ENOSYS', '-', 'ok'],
  ['mount', 'mount none /dev tmpfs 0 0', 'ENOSYS', 'EPERM', 'ok'],
  ['unmount', 'umount2 /usr 2', 'ENOSYS', 'EPERM', 'EINVAL'],
  ['open a file system', 'fsopen tmpfs 0', 'ENOSYS', 'EPERM', 'ok'],
  ['clone a mount', 'open_tree -100 / 1', 'ENOSYS', 'EPERM', 'ok'],
  ['change another root', 'pivot_root / /', 'ENOSYS', 'EPERM', 'EBUSY'],
  ['change its root', 'chroot /', 'ENOSYS', 'EPERM', 'ok'],
  ['make a user namespace', 'unshare 0x10000000', 'ENOSYS', '-', 'ok'],
  ['make a network namespace', 'unshare 0x40000000', 'ENOSYS', 'EPERM', 'ok'],
  ['make one by clone', 'clone 0x10000000', 'EPERM', '-', 'ok'],
  ['make one by clone3', 'clone3 0x10000000', 'ENOSYS', '-', 'ok'],
  ['make one by the 32-bit entry', 'entry32 310 0x10000000', 'SYS', '-', 'ok'],
  ["join the host's network", 'join-network {shim}', 'ENOSYS', 'EPERM', 'ok'],
]

/** Privileges that were given up. */
const privilegeAttacks: readonly Attack[] = [
  ['become root', 'setuid 0', 'ENOSYS', 'EPERM', 'ok'],
  ['become root by the saved id', 'setresuid -1 0 -1', 'ENOSYS', 'EPERM', 'ok'],
  ['become the neighbour', 'setuid {neighbourUid}', 'ENOSYS', 'EPERM', 'ok'],
  ["take root's group", 'setgid 0', 'ENOSYS', 'EPERM', 'ok'],
  ['take a supplementary group', 'setgroups 6', 'ENOSYS', 'EPERM', 'ok'],
  ['take a capability', 'capset', 'EPERM', 'EPERM', 'ok'],
  ['change the rules of capabilities', 'securebits', 'EPERM', 'EPERM', 'ok'],
  [
    'become root by a setuid program',
    'exec {setuid} am-i-root',
    'exit 1',
    'ok',
    'ok',
    { fallsWithoutUser: true },
  ],
  ['open more files', 'limit 7 4096', 'EPERM', '-', 'ok'],
  ['allow itself core files', 'limit 4 4096', 'EPERM', '-', 'ok'],
  ["leave the guest's memory in a core file", 'dump-core {scratch}', 'EPERM', '-', 'ok'],
  ['run before everybody else', 'setpriority 0 0 -10', 'ENOSYS', 'EACCES', 'ok'],
  ['run in real time', 'real-time', 'ENOSYS', 'EPERM', 'ok', { optional: true }],
  ['read and write before everybody else', 'ioprio_set 1 0 0x2000', 'ENOSYS', 'EPERM', 'ok'],
  ['rename the host', 'sethostname', 'ENOSYS', 'EPERM', 'ok'],
  ['change the clock', 'clock-tick', 'ENOSYS', 'EPERM', 'EINVAL'],
  ['change the kernel log', 'syslog 8 0 0', 'ENOSYS', 'EPERM', 'EINVAL'],
]

/** Two live sandboxes, attacked from a third one's VMM and by its user. */
export const liveAttacks: readonly Attack[] = [
  ["read a live machine's memory", 'process_vm_readv {vmm} {vmmAddress}', 'ENOSYS', 'EPERM', 'ok'],
  ['read it by /proc', 'read-memory {vmm} {vmmAddress}', 'ENOENT', 'EACCES', 'ok'],
  ['trace a live VMM', 'seize {vmm}', 'ENOSYS', 'EPERM', 'ok'],
  ['take its descriptors', 'pidfd-getfd {vmm}', 'ENOSYS', 'EPERM', 'ok'],
  ['list its descriptors', 'list /proc/{vmm}/fd', 'ENOENT', 'EACCES', 'ok'],
  ['look through its root', 'list /proc/{vmm}/root/', 'ENOENT', 'EACCES', 'ok'],
  ['join its network', 'join-network {vmm}', 'ENOSYS', 'EPERM', 'ok'],
  ['signal a live VMM', 'kill {vmm} 0', 'ESRCH', 'EPERM', 'ok'],
  ['signal its shim', 'kill {vmmShim} 0', 'ESRCH', 'EPERM', 'ok'],
  ['signal its virtiofsd', 'kill {virtiofsd} 0', 'ESRCH', 'EPERM', 'ok'],
  ['look into its private directory', 'list {vmmDir}', 'ENOENT', 'EACCES', 'ok'],
  ['connect to its monitor', 'connect {vmmDir}/{monitor}', 'ENOENT', 'EACCES', 'ok'],
  ['connect to its agent', 'connect {vmmDir}/{agent}', 'ENOENT', 'EACCES', 'ok'],
  ['connect to its console', 'connect {vmmDir}/console.sock', 'ENOENT', 'EACCES', 'ok'],
  // virtiofsd takes one connection only: after the VMM's nobody listens, not even for root.
  ['connect to its file server', 'connect {vmmDir}/vhost-fs.sock', 'ENOENT', 'EACCES', 'ECONNREFUSED'],
  ['connect to its shim', 'connect {shimSocket}', 'ENOENT', 'EACCES', 'ok'],
  ['read its ledger', 'open-read {vmmState}/ledger.jsonl', 'ENOENT', 'EACCES', 'ok'],
  ['read its console', 'open-read {vmmState}/console.log', 'ENOENT', 'EACCES', 'ok'],
  ['look into its share', 'list {vmmState}/share', 'ENOENT', 'EACCES', 'ok'],
]

/**
 * What a process of a live VMM's own user gets outside of its jail: the sockets are root's, so not even the VMM can
 * open another connection to what it serves. Rows as above, of which `jailed` does not apply.
 */
export const ownUserAttacks: readonly Attack[] = [
  ['connect to the monitor', 'connect {vmmDir}/{monitor}', '-', 'EACCES', 'ok'],
  ['connect to the agent', 'connect {vmmDir}/{agent}', '-', 'EACCES', 'ok'],
  ['connect to the console', 'connect {vmmDir}/console.sock', '-', 'EACCES', 'ok'],
  ['connect to the file server', 'connect {vmmDir}/vhost-fs.sock', '-', 'EACCES', 'ECONNREFUSED'],
  ['change the pid file', 'open-write {vmmDir}/pid', '-', 'EACCES', 'ok'],
  ['signal the shim', 'kill {vmmShim} 0', '-', 'EPERM', 'ok'],
  ['signal virtiofsd', 'kill {virtiofsd} 0', '-', 'EPERM', 'ok'],
  ['read the ledger', 'open-read {vmmState}/ledger.jsonl', '-', 'EACCES', 'ok'],
]

/** What the VMM's place is attacked with, by what is attacked. */
export const attackGroups: Readonly<Record<string, readonly Attack[]>> = {
  Files: fileAttacks,
  Devices: deviceAttacks,
  'Other processes': processAttacks,
  'Sockets and network': socketAttacks,
  'Interfaces of the kernel': kernelAttacks,
  'Privileges that were given up': privilegeAttacks,
}

export const attacks: readonly Attack[] = Object.values(attackGroups).flat()

/** Acts on what not every host has. */
export const optionalActs: readonly string[] = attacks.flatMap(([, act, , , , exception]) =>
  exception?.optional ? [act] : [],
)
