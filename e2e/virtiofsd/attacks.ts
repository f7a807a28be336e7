/** What a virtiofsd under foreign control tries, and what it gets. Data only, as in ../attack/attacks.ts. */

/**
 * goal: "to ..."; act; what it gets in the daemon's place; the control, by root outside: `ok`, or the later error of
 * an act that is formed so that its success would harm nobody. `rootAct`: the control where the act names a place
 * that only the daemon has.
 */
export type ShareAttack = readonly [
  goal: string,
  act: string,
  inPlace: string,
  root: string,
  rootAct?: string,
]

export const shareAttacks: readonly ShareAttack[] = [
  ['read the password hashes', 'open-read /etc/shadow', 'ENOENT', 'ok'],
  ['climb out of the share', 'stat ../../../../etc/passwd', 'ENOENT', 'ok'],
  ['read kernel facts', 'open-read /proc/version', 'ENOENT', 'ok'],
  ['read devices of the host', 'list /sys/class', 'ENOENT', 'ok'],
  ["look into another sandbox's share", 'list {otherShare}', 'ENOENT', 'ok'],
  ["read another sandbox's ledger", 'open-read {otherLedger}', 'ENOENT', 'ok'],
  ["read its own sandbox's ledger", 'open-read {ledger}', 'ENOENT', 'ok'],
  ["look into its VMM's directory", 'list {vmmDir}', 'ENOENT', 'ok'],
  ['place a file beside the entries', 'create /attacker', 'EROFS', 'ok'],
  ['make a device node in a volume', 'mknod {volume}/node', 'EPERM', 'ok', 'mknod {hostVolume}/node'],
  ['open a file by its handle', 'open-by-handle {volume} /', 'EPERM', 'ok', 'open-by-handle {hostVolume} /'],
  ['signal its VMM', 'kill {vmm} 0', 'ESRCH', 'ok'],
  ['signal its shim', 'kill {shim} 0', 'ESRCH', 'ok'],
  ["signal another sandbox's daemon", 'kill {otherDaemon} 0', 'ESRCH', 'ok'],
  ['trace its VMM', 'seize {vmm}', 'ESRCH', 'ok'],
  ["read its VMM's memory", 'process_vm_readv {vmm} {vmmAddress}', 'ESRCH', 'ok'],
  ['take descriptors', 'pidfd-getfd {vmm}', 'ESRCH', 'ok'],
  ['mount', 'mount none / tmpfs 0 0', 'EPERM', 'ok', 'mount none /mnt tmpfs 0 0'],
  ['open a file system', 'fsopen tmpfs 0', 'EPERM', 'ok'],
  ['clone a mount', 'open_tree -100 / 1', 'EPERM', 'ok'],
  ['change its root', 'chroot /', 'EPERM', 'ok'],
  ['make a user namespace', 'unshare 0x10000000', 'ENOSYS', 'ok'],
  ['make one by clone', 'clone 0x10000000', 'EPERM', 'ok'],
  ['make one by clone3', 'clone3 0x10000000', 'ENOSYS', 'ok'],
  ['make a mount namespace', 'unshare 0x20000', 'EPERM', 'ok'],
  ['connect to a service of the host', 'connect-tcp {port}', 'ENETUNREACH', 'ok'],
  ["connect to the host's abstract sockets", 'connect-abstract {abstract}', 'ECONNREFUSED', 'ok'],
  ['capture packets', 'socket 17 3 0x300', 'EAFNOSUPPORT', 'ok'],
  ['forge packets', 'socket 2 3 1', 'EPERM', 'ok'],
  ['reach other guests by vsock', 'socket 40 1 0', 'EAFNOSUPPORT', 'ok'],
  ['become the VMM', 'setuid 65535', 'EINVAL', 'ok'],
  ['become a user of the host', 'setuid {vmmUid}', 'EINVAL', 'ok'],
  ['take a capability', 'capset', 'EPERM', 'ok'],
  ['change the rules of capabilities', 'securebits', 'EPERM', 'ok'],
  ['rename the host', 'sethostname', 'EPERM', 'ok'],
  ['change the clock', 'clock-tick', 'EPERM', 'EINVAL'],
  ['change the kernel log', 'syslog 8 0 0', 'EPERM', 'EINVAL'],
  ['reboot', 'reboot 0 0 0 0', 'EPERM', 'EINVAL'],
  ['watch files', 'fanotify_init 0 0', 'EPERM', 'ok'],
  ['run before everybody else', 'setpriority 0 0 -10', 'EACCES', 'ok'],
]
