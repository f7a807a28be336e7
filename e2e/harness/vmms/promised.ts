/**
 * The postures of a sandbox's processes, by the user `uid`, as the documentation promises them: written out here, or as the
 * real program was recorded, and not taken from the code that confines, so that both have to agree.
 */
import { expect } from 'bun:test'
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { differences } from '../../doubles/cloud-hypervisor/differences.ts'
import { differences as firecrackerDifferences } from '../../doubles/firecracker/differences.ts'
import type { Accelerator } from '../configuration.ts'
import { vmm } from '../vmm.ts'
import { byPoint, inJailOfToday, systemMounts } from './jail.ts'
import { descriptorKind, recordedProcess } from './recording.ts'

const none = '0000000000000000'

const thread = (uid: number, groups: readonly number[], seccompFilters: number) => ({
  uid: [uid, uid, uid, uid],
  gid: [uid, uid, uid, uid],
  groups,
  capabilities: { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none },
  noNewPrivs: 1,
  seccomp: 2,
  seccompFilters,
  namespaces: { mnt: 'own', ipc: 'own', uts: 'own', net: 'own', pid: 'own', user: 'host', cgroup: 'host' },
})

const always = {
  environment: 0,
  limits: { core: '0:0', nofile: '1024:1024', nproc: '1024:1024' },
  cwd: '/',
  interfaces: ['lo'],
}
const hidden = ['nodev', 'noexec', 'nosuid', 'ro']
const sockets = (count: number) => Array<string>(count).fill('socket')

/** What QEMU has of KVM beside all else: the node, and what it gets from it, which is a machine with one processor. */
const ofKvm = {
  mounts: [{ point: '/dev/kvm', flags: ['noexec', 'nosuid'] }],
  descriptors: ['/dev/kvm', 'anon_inode:kvm-vcpu:0', 'anon_inode:kvm-vm'],
}
const nothing = { mounts: [], descriptors: [] }

const ofQemu = (uid: number, groups: readonly number[], { mounts, descriptors }: typeof ofKvm) => ({
  threads: [thread(uid, groups, 2)],
  mounts: [
    { point: '/', flags: hidden },
    { point: '/boot/initrd', flags: hidden },
    { point: '/boot/vmlinux', flags: hidden },
    ...mounts,
    { point: '/dev/urandom', flags: ['noexec', 'nosuid', 'ro'] },
    { point: '/usr/share/qemu', flags: hidden },
    { point: '/usr/share/seabios', flags: hidden },
    ...systemMounts(vmm.path),
  ].sort(byPoint),
  root: ['boot', 'dev', 'filter', 'lib64', 'old', 'proc', 'usr'],
  descriptors: {
    0: '/dev/null',
    1: 'socket',
    2: 'socket',
    // The listeners of monitor, agent and console, and the connection to virtiofsd.
    3: 'socket',
    4: 'socket',
    5: 'socket',
    6: 'socket',
    // What it opened itself; the sockets are one accepted connection for each listener, and virtiofsd's way back.
    others: [
      ...[...descriptors, '/dev/urandom', 'eventfd', 'eventpoll', 'memfd', 'signalfd'].sort(),
      ...sockets(4),
    ],
  },
  ...always,
})

/** Where the program itself is not below /usr, the jail shows it alone, at its own path. */
const program = vmm.path.startsWith('/usr/') ? [] : [vmm.path]

const clh = inJailOfToday(recordedProcess('cloud-hypervisor-53.0'), vmm.path)
/** What only a network card, a disk or a second processor of the recorded machine brings along. */
const isOfDevices = /^(\/dev\/net\/tun|\/disks\/.*|timerfd|anon_inode:kvm-vcpu:[1-9])$/
const clhKinds = Object.entries(clh.descriptors).map(
  ([fd, target]) => [Number(fd), descriptorKind(target)] as const,
)
const clhOpened = clhKinds.filter(([fd, kind]) => fd > 4 && !isOfDevices.test(kind)).map(([, kind]) => kind)
/** The double has so many sockets more, for the QEMU underneath. */
const moreSockets = differences.reduce((sum, { sockets = 0 }) => sum + (vmm.isDouble ? sockets : 0), 0)

/** As the real program was recorded, for it and for its double. */
const ofCloudHypervisor = (uid: number, groups: readonly number[]) => ({
  threads: [...new Set(clh.threads.map(({ filters }) => filters))].map((filters) =>
    thread(uid, groups, filters),
  ),
  mounts: [...clh.mounts],
  root: [
    ...['boot', 'dev', 'disks', 'filter', 'lib64', 'old', 'proc', 'sockets', 'usr'],
    ...program.map((path) => path.split('/')[1]!),
  ].sort(),
  descriptors: {
    // Console and log; the API's listener and the event monitor.
    ...Object.fromEntries(clhKinds.filter(([fd]) => fd <= 4)),
    others: [
      ...[...new Set(clhOpened.filter((kind) => kind !== 'socket'))].sort(),
      ...sockets(clhOpened.filter((kind) => kind === 'socket').length + moreSockets),
    ],
  },
  ...always,
})

/** What the jailer needs of capabilities: nobody in the jail can have them, see src/vmm/firecracker/jailer.ts. */
const jailers = '00000000082400e3'

const firecracker = recordedProcess('firecracker-1.16.1')
const firecrackerKinds = Object.entries(firecracker.descriptors).map(
  ([fd, target]) => [Number(fd), descriptorKind(target)] as const,
)
const firecrackerOpened = firecrackerKinds.filter(([fd]) => fd > 2).map(([, kind]) => kind)
/** What only the network card and the second container of the recorded machine bring along. */
const isOfMore = (kind: string): boolean => ['/dev/net/tun', '/drives/disk2 (deleted)'].includes(kind)
/** The double has so many sockets more, for the QEMU underneath. */
const moreOfFirecracker = firecrackerDifferences.reduce(
  (sum, { sockets = 0 }) => sum + (vmm.isDouble ? sockets : 0),
  0,
)

/** As the real program was recorded, for it and for its double. The jailer makes /dev/kvm its user's, so there is no group. */
const ofFirecracker = (uid: number) => ({
  threads: [...new Set(firecracker.threads.map(({ filters }) => filters))].map((filters) => {
    const { capabilities, ...rest } = thread(uid, [], filters)
    return { ...rest, capabilities: { ...capabilities, CapBnd: jailers } }
  }),
  mounts: [...firecracker.mounts],
  root: ['dev', 'drives', programName, `${programName}.pid`, 'initrd', 'log', 'run', 'vmlinux'].sort(),
  descriptors: {
    ...Object.fromEntries(firecrackerKinds.filter(([fd]) => fd <= 2)),
    others: [
      // The pipe of its log is new since the recording.
      ...[...new Set(['/log', ...firecrackerOpened])].filter((kind) => kind !== 'socket' && !isOfMore(kind)),
      ...sockets(firecrackerOpened.filter((kind) => kind === 'socket').length + moreOfFirecracker),
    ].sort(),
  },
  ...always,
})
const programName = basename(realpathSync(vmm.path))

const promises = {
  qemu: {
    promised: (uid: number, groups: readonly number[], accelerator: Accelerator) =>
      ofQemu(uid, groups, accelerator === 'kvm' ? ofKvm : nothing),
    // The last descriptor that is handed over.
    lastHandedOver: 6,
    // In the private directory: root's, and the user's own.
    privateSockets: { ofRoot: ['agent.sock', 'console.sock', 'qmp.sock', 'vhost-fs.sock'], own: [] },
    // Besides the pid.
    privateDirectories: [],
  },
  clh: {
    promised: ofCloudHypervisor,
    lastHandedOver: 4,
    privateSockets: { ofRoot: ['api.sock'], own: ['clh.sock', 'vhost-fs.sock'] },
    privateDirectories: [],
  },
  firecracker: {
    promised: ofFirecracker,
    lastHandedOver: 2,
    privateSockets: { ofRoot: [], own: [] },
    privateDirectories: ['jail'],
  },
} as const

export const { promised, lastHandedOver, privateSockets, privateDirectories } = promises[vmm.driver]

/** The sandbox's block, and besides only ids that are nobody's, from 2^31 on. */
const idMap = (first: number) =>
  [
    `0 ${first} 65535`,
    '65535 2147549183 2147418112',
    '2147483647 2147483648 1',
    '4294934527 2147483649 32768',
  ].join(',')

/** The posture of virtiofsd while it serves one container; `serving` is the process that does, the other one waits. */
export const promisedDaemon = (uid: number, id: string, serving: boolean) => {
  const files = serving ? '00000000880000db' : none
  return {
    threads: [
      {
        uid: [uid, uid, uid, uid],
        gid: [uid, uid, uid, uid],
        groups: [],
        capabilities: { CapInh: none, CapPrm: files, CapEff: files, CapBnd: none, CapAmb: none },
        noNewPrivs: 1,
        seccomp: 2,
        seccompFilters: serving ? 2 : 1,
        namespaces: {
          mnt: 'own',
          ipc: 'own',
          uts: 'own',
          net: 'own',
          user: 'own',
          cgroup: 'host',
          pid: serving ? 'own' : 'host',
        },
      },
    ],
    idMaps: { uid: idMap(uid), gid: idMap(uid) },
    mounts: [
      { point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
      { point: '/.kernel-modules', flags: ['nodev', 'noexec', 'nosuid', 'ro'] },
      { point: `/${id}/rootfs`, flags: ['nodev'] },
    ],
    root: ['.kernel-modules', id],
    // The guest's agent has looked at the kernel modules.
    descriptors: serving
      ? [
          ...['/.kernel-modules', '/dev/null', 'eventfd', 'eventpoll', 'memfd', 'own mount table'],
          ...['share', 'socket'],
        ]
      : ['/dev/null', 'pipe', 'socket'],
    environment: 0,
    limits: { core: '0:0', nofile: expect.stringMatching(/^(\d+):\1$/), nproc: '1024:1024' },
    cwd: '/',
    interfaces: ['lo'],
  }
}
