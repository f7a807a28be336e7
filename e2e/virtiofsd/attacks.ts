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
  [
    'open a device of the host by a node that lies in the volume',
    'open-read {volume}/zero',
    'EACCES',
    'ok',
    'open-read {hostVolume}/zero',
  ],
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
  ['reach other families by a pair', 'socketpair 16 3 0 buffer', 'EAFNOSUPPORT', 'EOPNOTSUPP'],
  // Each id that it can take is one of its block or nobody's: e2e/world/ids.test.ts. These have no place.
  ['take an id that its map does not have', 'setuid 3000000001', 'EINVAL', 'ok'],
  ['take such a group', 'setgid 3000000001', 'EINVAL', 'ok'],
  ['take a capability', 'capset', 'EPERM', 'ok'],
  ['change the rules of capabilities', 'securebits', 'EPERM', 'ok'],
  ['rename the host', 'sethostname', 'EPERM', 'ok'],
  ['change the clock', 'clock-tick', 'EPERM', 'EINVAL'],
  ['change the kernel log', 'syslog 8 0 0', 'EPERM', 'EINVAL'],
  ['reboot', 'reboot 0 0 0 0', 'EPERM', 'EINVAL'],
  ['watch files', 'fanotify_init 0 0', 'EPERM', 'ok'],
  ['run before everybody else', 'setpriority 0 0 -10', 'EACCES', 'ok'],
]

/**
 * What only the daemon of the volumes is refused: goal, act, what it gets there; the control is the same act in the place of the
 * first daemon, which serves volumes on which the operator allows it. {volume} holds a file `program`.
 */
export const setIdAttacks: readonly (readonly [goal: string, act: string, inPlace: string])[] = [
  ['give a program the set-user-id bit', 'chmod {volume}/program 04755', 'EPERM'],
  ['give it the set-group-id bit', 'chmod {volume}/program 02755', 'EPERM'],
  ['give it both, by a call with a directory', 'fchmodat -100 {volume}/program 06755', 'EPERM'],
  ['give it one by the newest of these calls', 'fchmodat2 -100 {volume}/program 04755 0', 'EPERM'],
  ['create a file with it', 'creat {volume}/created 04755', 'EPERM'],
  // O_CREAT and O_WRONLY; then O_TMPFILE and O_RDWR, which makes a file without a name.
  ['open a new file with it', 'openat -100 {volume}/opened 0101 04755', 'EPERM'],
  ['open one without a name', 'openat -100 {volume} 020200002 04755', 'EPERM'],
  ['make one as a node', 'mknodat -100 {volume}/node-file 0104755 0', 'EPERM'],
]

/**
 * What root of a container tries through a volume that it may write: goal; command in the container, where the volume
 * is /volume; the last word of what it says; the control: a command of root's on the host, whose output is `ok`.
 * {directory} is the volume's parent on the host, where the file `secret` lies; in the volume is a node of a disk.
 */
export type GuestShareAttack = readonly [goal: string, command: string, inGuest: string, control: string]

const [missing, forbidden] = ['No such file or directory', 'Operation not permitted']
const readsSecret = (name: string) => `grep -q secret {directory}/volume/${name} && echo ok`
const node = (name: string, numbers: string) =>
  `mknod {directory}/volume/${name} ${numbers} && echo ok; rm -f {directory}/volume/${name}`

export const guestShareAttacks: readonly GuestShareAttack[] = [
  [
    'follow a symlink of its own to a file of the host',
    'ln -s {directory}/secret /volume/absolute; cat /volume/absolute',
    missing,
    readsSecret('absolute'),
  ],
  [
    'follow one that climbs out of the volume',
    'ln -s ../secret /volume/climbing; cat /volume/climbing',
    missing,
    readsSecret('climbing'),
  ],
  [
    'follow a symlink to a directory of the host',
    'ln -s .. /volume/parent; cat /volume/parent/secret',
    missing,
    readsSecret('parent/secret'),
  ],
  ['make the node of a disk', 'mknod /volume/disk b 8 0', forbidden, node('disk', 'b 8 0')],
  ["make the node of the host's memory", 'mknod /volume/mem c 1 1', forbidden, node('mem', 'c 1 1')],
  [
    'open a disk of the host by a node that lies in the volume',
    'head -c1 /volume/node',
    forbidden,
    '[ -b {directory}/volume/node ] && echo ok',
  ],
]

/**
 * Programs that root of a container leaves for a user of the host, by commands in the container: in {place} a copy of /probe
 * that has rights of its own. `refused` is what the last of them says in a volume as it comes, and where `virtio_fs_nosuid` is on.
 */
export const leftPrograms = [
  {
    what: 'a set-user-id program of root',
    inGuest: 'cp /probe {place}/setuid && chmod 4755 {place}/setuid',
    name: 'setuid',
    refused: forbidden,
  },
  {
    what: 'a program with file capabilities',
    inGuest: 'cp /probe {place}/capable && /probe grant {place}/capable',
    name: 'capable',
    refused: forbidden,
  },
] as const

/** For a user of the host, in the container's own root file system. */
export const inOwnLayer = 'Permission denied'
