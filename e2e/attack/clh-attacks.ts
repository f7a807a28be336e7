/**
 * The attacks on a jail as that of Cloud Hypervisor answers them. It is wider than QEMU's, by what src/vmm/syscalls.test.ts lists: there another
 * wall stands behind the filter, or none.
 */
import { type Attack, attacks } from './attacks.ts'

interface Answer {
  readonly jailed: string
  /** What is let through, and what it comes to. */
  readonly why: string
  /** Nothing keeps it from that. */
  readonly succeeds?: true
  /** In the place of the act of attacks.ts. */
  readonly act?: string
}

const ofInet =
  'it may have sockets of the internet, as by one it tells a tap its MTU; its network is empty, and it has no capability'

/** By the goal of the attack. */
export const otherwise: Readonly<Record<string, Answer>> = {
  'make a directory': {
    jailed: 'ENOENT',
    why: 'it may make files, as it binds its own socket; the one place for them is its private directory',
  },
  "move the neighbour's processors": {
    jailed: 'ESRCH',
    why: 'it may place its own threads; it finds no other process',
  },
  'connect to a service of the host': { jailed: 'ENETUNREACH', why: ofInet },
  'forge packets': { jailed: 'EPERM', why: ofInet },
  'bring an interface up': { jailed: 'EPERM', why: ofInet },
  'make a process': {
    jailed: 'ok',
    why: 'its double does; the processes have its rights, and end with it',
    succeeds: true,
  },
  'run a program out of memory': {
    // It runs, and says that it is not root.
    act: 'exec-memory {setuid}',
    jailed: 'exit 1',
    why: 'it may make processes of all that it can read; the program has its rights and its jail',
    succeeds: true,
  },
}

/** What it has to do itself. */
export const itsWork: readonly string[] = ['open /dev/kvm without need']
/** Those of a jail that shows no private directory, of sockets that it has not. */
export const ofOtherSockets: readonly string[] = [
  "connect to the neighbour's monitor",
  'connect to its own monitor',
  "connect to its own guest's agent",
  'connect to its own file server',
]

/** What only its jail shows: the private directory, and a place for the nodes of disks. */
export const ownAttacks: readonly Attack[] = [
  ["connect to the neighbour's monitor", 'connect {neighbourDir}/api.sock', 'ENOENT', 'EACCES', 'ok'],
  [
    'connect to its own monitor',
    'connect /sockets/api.sock',
    'EACCES',
    '-',
    'ok',
    { rootAct: 'connect {ownDir}/api.sock' },
  ],
  [
    'open its monitor to others',
    'fchmodat -100 /sockets/api.sock 0777',
    'EPERM',
    '-',
    'ok',
    { rootAct: 'fchmodat -100 {ownDir}/api.sock 0600' },
  ],
  [
    'make a directory beside its sockets',
    'mkdir /sockets/attacker',
    'EACCES',
    '-',
    'ok',
    { rootAct: 'mkdir {ownDir}/attacker' },
  ],
  [
    'make a link beside its sockets',
    'symlink /sockets/attacker',
    'ENOSYS',
    '-',
    'ok',
    { rootAct: 'symlink {ownDir}/attacker' },
  ],
  [
    'make a device node among its disks',
    'mknod /disks/attacker',
    'ENOSYS',
    '-',
    'ok',
    { rootAct: 'mknod {scratch}/attacker' },
  ],
  [
    'place a file among its disks',
    'create /disks/attacker',
    'EACCES',
    '-',
    'ok',
    { rootAct: 'create {scratch}/attacker' },
  ],
  [
    'change the mode of a system program',
    'fchmodat -100 /usr/bin/env 0755',
    'EROFS',
    'EPERM',
    'ok',
    { rootAct: 'fchmodat -100 {config} 0644' },
  ],
]

export const clhAttacks: readonly Attack[] = [
  ...attacks
    .filter(([goal]) => ![...itsWork, ...ofOtherSockets].includes(goal))
    .map(([goal, act, jailed, ...more]): Attack => {
      const answer = otherwise[goal]
      return [goal, answer?.act ?? act, answer?.jailed ?? jailed, ...more]
    }),
  ...ownAttacks,
]
