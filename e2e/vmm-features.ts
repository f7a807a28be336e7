/**
 * What kata-ts promises of every VMM, by the tests that show it, and what a VMM cannot do. docs/vmm-features.md is made
 * from it and from what `npm run test:vmm -- VMM --record` wrote down.
 */
import type { HypervisorDriver } from '../src/config/config.ts'

/** A test by its file below e2e/ without `.test.ts`, and its name; all tests of the file where there is no name. */
export type ShownBy = readonly [file: string, name?: string]

export interface Feature {
  readonly name: string
  /** All of them must pass. Those of a driver's own are listed for it alone. */
  readonly tests: readonly ShownBy[]
  readonly own?: Partial<Record<HypervisorDriver, readonly ShownBy[]>>
  /** Some of its tests are newer than the records, which say nothing of them yet. The mark goes once each driver's record has them. */
  readonly isNew?: true
  /** Why a VMM has nothing of it. */
  readonly missing?: Partial<Record<HypervisorDriver, string>>
}

const jailed =
  'is confined as its jailer can: ids of its own, no group, no capability in use, own namespaces, a root with little in it'
const confined: ShownBy = ['posture', 'each VMM is confined exactly as promised']

export const features: readonly Feature[] = [
  {
    name: 'rootless: each machine has a user of its own',
    tests: [
      confined,
      ['posture', 'they share neither user nor namespace'],
      ['posture', 'rootless false changes the ids and nothing else'],
    ],
  },
  {
    name: 'the group of /dev/kvm as its only extra right',
    tests: [],
    own: {
      qemu: [
        ['attack', '/dev/kvm opens by its group alone'],
        ['vmm', 'the unprivileged VMM opens the device by its group and creates the machine'],
      ],
      clh: [['clh', 'without the group of /dev/kvm it does not start, and says so']],
      firecracker: [['firecracker', jailed]],
    },
  },
  {
    name: 'private directory',
    tests: [
      [
        'posture',
        'the private directory is its own, what lies in it is root’s but for the sockets that it needs',
      ],
    ],
  },
  {
    name: 'seccomp: the jail’s filters and its own',
    tests: [confined],
    own: {
      qemu: [['attack', 'set up io_uring']],
      clh: [
        ['clh', 'is confined on every thread, sees what it needs, and owns the one socket that it made'],
        ['clh-attack', 'set up io_uring'],
      ],
      firecracker: [['firecracker', jailed]],
    },
  },
  {
    name: 'Landlock',
    tests: [],
    own: {
      qemu: [['attack', 'run a shell']],
      clh: [
        ['clh-attack', 'run a shell'],
        ['clh', 'keeps it from a file that its configuration does not name; without it the same succeeds'],
      ],
    },
    missing: { firecracker: 'neither it nor its jailer sets rules; its jail is its root' },
  },
  {
    name: 'suspend, resume, fork and snapshots, each machine with a user of its own',
    tests: [],
    own: { qemu: [['suspend'], ['suspend-networks'], ['suspend-clones']] },
    missing: {
      clh: 'kata-ts saves no machines of it yet',
      firecracker: 'kata-ts saves no machines of it yet',
    },
  },
  {
    name: 'clones of a template, each with a user and randomness of its own',
    tests: [],
    own: { qemu: [['templates'], ['mapped-templates']] },
    missing: {
      clh: 'kata-ts saves no machines of it yet',
      firecracker: 'kata-ts saves no machines of it yet',
    },
  },
  {
    name: 'jail: what it is attacked with fails',
    tests: [],
    own: {
      qemu: [['attack']],
      clh: [['clh-attack']],
      firecracker: [
        [
          'firecracker',
          'what stands in its place in the jail gets nowhere, by the walls of the jailer alone',
        ],
      ],
    },
  },
  {
    name: 'a live machine: what other users and its own attack it with fails',
    tests: [['live-attack']],
  },
  {
    name: 'share of host directories',
    tests: [['run', 'volumes: read-write reaches the host, read-only refuses']],
    own: {
      firecracker: [['firecracker-pods', 'files are copied whole, and directories brought up to date']],
    },
  },
  {
    name: 'block devices from the start',
    tests: [['disk', 'runs containers from the whole disk, mounted read-only, of which nothing changes']],
    own: {
      firecracker: [
        [
          'firecracker-pods',
          'the root file system is a disk of the machine with the image in it, which takes writes',
        ],
      ],
    },
  },
  {
    name: 'block devices while it runs',
    tests: [
      [
        'devices',
        'a block device is written by the guest, under the guest’s numbers; its node stays root’s alone',
      ],
      ['devices', 'it goes with its container and comes again with the next'],
    ],
    own: {
      qemu: [
        ['disks', 'disks are known by their places, and those of the guest, which mounts one and writes it'],
      ],
    },
  },
  {
    name: 'root file systems that are disks',
    tests: [['block-rootfs'], ['containerd/blockfile']],
  },
  { name: 'layers of the erofs snapshotter as disks', tests: [['erofs-layers']] },
  { name: 'a bound for what a container writes', tests: [['storage-opt']] },
  { name: 'rate limits of disks', tests: [['disk-limits']] },
  { name: 'rate limits of the network', tests: [['network-limits']] },
  {
    name: 'network of the pod',
    tests: [['network']],
    own: {
      firecracker: [
        [
          'firecracker-pods',
          'the machine has the interface of the pod, by a tap that only its user can open',
        ],
      ],
    },
  },
  {
    name: 'processors and memory change while it runs',
    tests: [
      [
        'containerd/sizing',
        'grows with a container, whose limit binds, and with new limits; programs still start from the share',
      ],
    ],
  },
  { name: 'processors of the host by name', tests: [['cpu-placement']] },
  { name: 'core scheduling', tests: [['core-scheduling']] },
  {
    name: 'memory is taken out again',
    tests: [['containerd/sizing', 'gives memory back where it came by virtio-mem']],
  },
  {
    name: 'what the guest frees goes back to the host',
    tests: [
      ['containerd/sizing', 'gives the host what its containers have freed, where it is to be reclaimed'],
    ],
  },
  { name: 'huge pages', tests: [['huge-pages', 'the guest runs in them and gives them back']] },
  { name: 'a TPM for the guest', tests: [], own: { qemu: [['tpm', 'a container talks to it']] } },
  { name: 'KVM by a descriptor, and check --fix-kvm', tests: [], own: { qemu: [['kvm/kvm-access']] } },
  { name: 'agent over vsock, packets by vhost-net', tests: [], own: { qemu: [['kvm/vhost']] } },
  { name: 'PCI devices of the host (VFIO)', tests: [], own: { qemu: [['kvm/vfio']] } },
  { name: 'containerd as a service of systemd', tests: [], own: { qemu: [['kvm/systemd']] } },
  { name: 'exec', tests: [['run', 'exec, kill, logs, ps, inspect and rm see it']] },
  { name: 'terminals', tests: [['run', 'a terminal: one stream, its size, and resizing']] },
  {
    name: 'statistics',
    tests: [['shim', 'Stats are the container’s, in the type of the host’s cgroup version']],
  },
  { name: 'containerd: ctr', tests: [['containerd/ctr']] },
  {
    name: 'containerd: pods',
    tests: [['containerd/first', 'a pod under kata-ts: container, ExecSync, and its end']],
  },
  { name: 'an end is told by its cause', tests: [['guest-ends']] },
  {
    name: 'nothing is left after a crash',
    tests: [
      ['leftovers', 'of the VMM is noticed, reported, and nothing is left'],
      ['leftovers', 'of virtiofsd is noticed, reported, and nothing is left'],
      ['leftovers', 'of the shim takes the VMM and virtiofsd with it, is reported, and nothing is left'],
      ['leftovers', 'of shims in the middle of their start, many at once: gc leaves nothing'],
    ],
  },
]

const handedOverConsole = 'its console is a connection that it was handed over; there is no socket'
const loopDevice = 'it has the image as a loop device, and the test looks for the file itself'
const noSharedFiles = 'it has no shared file system: a directory that would be written is refused by name'
const fixedSize = 'its machines do not change in size'
const noModules = 'its guest gets no kernel modules, and the driver is one'
const noDaemon = 'no virtiofsd serves it'
const eitherOptions =
  'ctr gives either the options of runc or a configuration, and without one it is QEMU that runs'
const jailedSockets = 'its sockets lie in its jail, in the private directory that nobody else enters'

const neverRoot = 'it is never root, who would keep the capabilities of its jailer'

/** Tests that a VMM cannot pass, by their names, each with its reason. */
export const cannot: Readonly<Record<HypervisorDriver, Readonly<Record<string, string>>>> = {
  qemu: {},
  clh: {
    'options of runc are not for us': eitherOptions,
    'accelerator tcg: no group at all': 'it runs with KVM only',
    'emulation by name is silent at the start, and a mark all the same': 'it runs with KVM only',
    'QEMU: a paused machine': 'the test is about the other VMM',
    'a value out of range': 'the test is about a key that it does not have',
    'shares the image with other guests; their VMMs hold it open for reading only': loopDevice,
    'connect to its console': handedOverConsole,
    'connect to the console': handedOverConsole,
    'connect to the agent': 'it makes the socket itself, so that it is its user’s own',
    'connect to the file server': 'it connects to the socket by its path, so that it is its user’s own',
    'gives memory back where it came by virtio-mem':
      'its memory comes as modules, which stay; kata-ts does not use its virtio-mem',
  },
  firecracker: {
    'options of runc are not for us': eitherOptions,
    'volumes: read-write reaches the host, read-only refuses': noSharedFiles,
    'a hostPath is written, or only read': noSharedFiles,
    'HostToContainer: what the host mounts later appears inside': noSharedFiles,
    'files of fsGroup': noSharedFiles,
    'containerd restarts under a running pod: nothing of it is lost': noSharedFiles,
    'rm -f removes one that runs': 'its root file system is a disk, and no tree on the host',
    'a link that a container left in a volume is not followed for the next one': noSharedFiles,
    'as a hostPath makes interfaces with CAP_NET_ADMIN': noModules,
    'as a device makes interfaces with CAP_NET_ADMIN': noModules,
    'without CAP_NET_ADMIN it makes none': noModules,
    'virtiofsd missing': noDaemon,
    'shares the image with other guests; their VMMs hold it open for reading only': loopDevice,
    'grows with a container, whose limit binds, and with new limits; programs still start from the share':
      fixedSize,
    'grows once by what its containers may have together': fixedSize,
    'the VMM sits in a network namespace with nothing in it, its taps are the only way out':
      'it opens its taps by their names, in the namespace of the pod',
    'of virtiofsd is noticed, reported, and nothing is left': noDaemon,
    'of the virtiofsd of its volumes is noticed, reported, and nothing is left': noDaemon,
    'of virtiofsd while the guest boots is reported as that, and nothing is left': noDaemon,
    'each virtiofsd is confined exactly as promised, both its processes': noDaemon,
    'signal its virtiofsd': noDaemon,
    'signal virtiofsd': noDaemon,
    'connect to its file server': noDaemon,
    'connect to the file server': noDaemon,
    'look into its share': noDaemon,
    'connect to its monitor': jailedSockets,
    'connect to its agent': jailedSockets,
    'connect to its console': handedOverConsole,
    'connect to the monitor': jailedSockets,
    'connect to the agent': jailedSockets,
    'connect to the console': handedOverConsole,
    'rootless false changes the ids and nothing else': neverRoot,
    'are a line each on stderr, at every start': neverRoot,
    'so is one that an option took away': neverRoot,
    'are marks in ps, inspect, audit and check': neverRoot,
    'accelerator tcg: no group at all': 'it runs with KVM only',
    'emulation by name is silent at the start, and a mark all the same': 'it runs with KVM only',
    'QEMU: a paused machine': 'the test is about the other VMM',
    'a value out of range': 'the test is about a key that it does not have',
    'gives memory back where it came by virtio-mem': fixedSize,
  },
}
