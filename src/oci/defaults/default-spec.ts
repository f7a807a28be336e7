/**
 * The OCI runtime specification of a container that a person starts: the defaults that users know from docker, for
 * a guest with cgroup v2.
 */
import { callerOption, type MountCaller } from '../caller-mount.ts'
import { defaultCapabilities } from './capabilities.ts'
import { defaultSeccomp } from './default-seccomp.ts'

export interface SpecUser {
  readonly uid: number
  readonly gid: number
  readonly additionalGids?: readonly number[]
}

export interface SpecBind {
  /** Absolute, on the host. */
  readonly source: string
  /** Absolute, in the container. */
  readonly destination: string
  readonly readonly: boolean
  /** The source is a disk with this file system. */
  readonly fsType?: string
  /** The source is a disk image, a regular file. */
  readonly isImage?: true
  /** The user of the host with whose rights it is shown; absent: root's. His ids are those of the container's user. */
  readonly caller?: Pick<MountCaller, 'uid' | 'gid' | 'device' | 'inode'>
}

/** A device of the host for the container, or a disk image as a block device in it. */
export type SpecDevice =
  | {
      readonly what: 'block' | 'char'
      readonly major: number
      readonly minor: number
      readonly destination: string
      readonly readonly: boolean
    }
  | {
      readonly what: 'file'
      readonly source: string
      readonly destination: string
      readonly readonly: boolean
    }

export interface SpecOptions {
  readonly args: readonly string[]
  /** `NAME=value`; PATH and, with a terminal, TERM are added when missing. */
  readonly env: readonly string[]
  readonly cwd: string
  readonly user: SpecUser
  readonly terminal: boolean
  readonly hostname: string
  /** Whether the root file system is read-only. */
  readonly readonly: boolean
  /** Path of the root file system, absolute or relative to the bundle. */
  readonly rootfs: string
  readonly mounts: readonly SpecBind[]
  readonly devices?: readonly SpecDevice[]
  /** Path of the network namespace; a new, empty one without it. */
  readonly netns?: string | undefined
  /** Limit of the container's memory in bytes; without one the VM's size is the limit. */
  readonly memoryBytes?: number
  /** Processors that the container may use, with fractions. */
  readonly cpus?: number
  /** Most processes and threads. */
  readonly pids?: number
  readonly annotations?: Readonly<Record<string, string>>
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]

const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

const strict = ['nosuid', 'noexec', 'nodev']
const systemMounts = [
  { destination: '/proc', type: 'proc', source: 'proc', options: strict },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...strict, 'ro'] },
  { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...strict, 'relatime', 'ro'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: strict },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: [...strict, 'mode=1777', 'size=65536k'],
  },
]

/** `c 1:3` and so on: null, zero, full, random, urandom, tty, ptmx and the terminals of devpts. */
const allowedDevices: readonly (readonly [number, number | undefined])[] = [
  [1, 3],
  [1, 5],
  [1, 7],
  [1, 8],
  [1, 9],
  [5, 0],
  [5, 2],
  [136, undefined],
]

/** Whether it is one that every container has, and nobody asked for. */
export const isSystemMount = (mount: object): boolean => systemMounts.some((own) => own === mount)

type DeviceNode = Extract<SpecDevice, { what: 'block' | 'char' }>

/** Kata's mount option for a source that is a disk image. */
const imageFile = 'io.katacontainers.fs-opt.block_device=file'

/** Pure: the same options give the same specification (OCI runtime specification 1.2). */
export function defaultSpec(options: SpecOptions) {
  const { args, cwd, user, terminal, hostname, readonly, rootfs, annotations = {}, devices = [] } = options
  const nodes = devices.filter((device) => device.what !== 'file')
  const images = devices.filter((device) => device.what === 'file')
  // Somebody who is not root gets no capabilities, only the right to gain them from files (docker does the same).
  const held = user.uid === 0 ? defaultCapabilities : []
  return {
    ociVersion: '1.2.0',
    root: { path: rootfs, readonly },
    hostname,
    annotations,
    process: {
      terminal,
      args,
      env: environment(options),
      cwd: cwd === '' ? '/' : cwd,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids ?? [] },
      capabilities: { bounding: defaultCapabilities, effective: held, permitted: held },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1_048_576, soft: 1024 }],
      noNewPrivileges: false,
    },
    mounts: [
      ...systemMounts,
      ...options.mounts.map((mount) => hostMount(mount, user)),
      ...images.map(imageMount),
    ],
    linux: {
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
        { type: 'network', ...(options.netns === undefined ? {} : { path: options.netns }) },
      ],
      resources: resources(options, nodes),
      devices: nodes.map(deviceNode),
      maskedPaths,
      readonlyPaths,
      seccomp: defaultSeccomp(),
    },
  }
}

function environment({ env, terminal, hostname }: SpecOptions): string[] {
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  return [
    ...(has('PATH') ? [] : [defaultPath]),
    ...(has('HOSTNAME') ? [] : [`HOSTNAME=${hostname}`]),
    ...(terminal && !has('TERM') ? ['TERM=xterm'] : []),
    ...env,
  ]
}

/** The mount of a volume. `user` is the container's. */
export function hostMount(bind: SpecBind, { uid: guestUid, gid: guestGid }: SpecUser) {
  const { source, destination, readonly, fsType, isImage, caller } = bind
  const access = readonly ? 'ro' : 'rw'
  if (fsType === undefined)
    return {
      destination,
      type: 'bind',
      source,
      options: [
        ...['rbind', 'rprivate', access],
        ...(caller === undefined ? [] : [callerOption({ ...caller, guestUid, guestGid })]),
      ],
    }
  return { destination, type: fsType, source, options: [access, ...(isImage ? [imageFile] : [])] }
}

/** A disk image has no device numbers on the host: it is told as a mount, of the node on its place. */
export function imageMount({ source, destination, readonly }: Extract<SpecDevice, { what: 'file' }>) {
  return { destination, type: 'bind', source, options: ['bind', imageFile, readonly ? 'ro' : 'rw'] }
}

const typeOf = ({ what }: DeviceNode) => (what === 'block' ? 'b' : 'c')

function deviceNode(device: DeviceNode) {
  const { destination: path, major, minor } = device
  return { path, type: typeOf(device), major, minor, fileMode: 0o600, uid: 0, gid: 0 }
}

function deviceRule(device: DeviceNode) {
  const { major, minor, readonly } = device
  return { allow: true, type: typeOf(device), major, minor, access: readonly ? 'rm' : 'rwm' }
}

/** Microseconds. */
const cpuPeriod = 100_000

function resources({ memoryBytes, cpus, pids }: SpecOptions, nodes: readonly DeviceNode[]) {
  return {
    devices: [
      { allow: false, access: 'rwm' },
      ...allowedDevices.map(([major, minor]) => ({
        allow: true,
        type: 'c',
        major,
        ...(minor === undefined ? {} : { minor }),
        access: 'rwm',
      })),
      ...nodes.map(deviceRule),
    ],
    ...(memoryBytes === undefined ? {} : { memory: { limit: memoryBytes } }),
    ...(cpus === undefined ? {} : { cpu: { quota: Math.round(cpus * cpuPeriod), period: cpuPeriod } }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  }
}
