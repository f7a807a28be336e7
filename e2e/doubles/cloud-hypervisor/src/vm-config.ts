/** The fields of a VmConfig that the double acts on, and what is wrong with one; schema.ts has been asked about all of them before. */
import { exists } from 'double'
import type { RateLimiter } from '../../common/src/throttle.ts'
import { invalidConfig } from './refused.ts'

export interface DiskConfig {
  readonly id?: string
  readonly path?: string
  readonly readonly?: boolean
  readonly direct?: boolean
  readonly image_type?: string
  readonly rate_limiter_config?: RateLimiter
}

export interface FsConfig {
  readonly id?: string
  readonly tag: string
  readonly socket: string
  readonly num_queues: number
  readonly queue_size: number
}

export interface NetConfig {
  readonly id?: string
  readonly mac?: string
  readonly mtu?: number
  readonly num_queues?: number
}

export interface VmConfig {
  readonly cpus: { boot_vcpus: number; max_vcpus: number }
  readonly memory: {
    size: number
    readonly hotplug_size?: number
    readonly shared?: boolean
    readonly hugepages?: boolean
    readonly hugepage_size?: number
    readonly prefault?: boolean
  }
  readonly balloon?: { readonly size: number; readonly free_page_reporting?: boolean }
  readonly payload?: { readonly kernel?: string; readonly cmdline?: string; readonly initramfs?: string }
  disks?: DiskConfig[]
  fs?: FsConfig[]
  net?: NetConfig[]
  readonly rng?: { readonly src: string }
  readonly serial?: { readonly mode: string }
  readonly console?: { readonly mode: string }
  readonly vsock?: { id?: string; readonly cid: number; readonly socket: string }
  readonly landlock_enable?: boolean
  readonly landlock_rules?: readonly { readonly path: string; readonly access: string }[]
}

/** What the device of vsock is called once the machine was booted. */
export const vsockId = '_vsock0'

/** What the double has no device for; the real program would make one. */
const unmade = [
  'pmem',
  'generic_vhost_user',
  'debug_console',
  'devices',
  'user_devices',
  'vdpa',
  'numa',
  'tpm',
]

/** The device that the double cannot make, if there is one. */
export function cannotMake(config: Partial<VmConfig>): string | undefined {
  const missing = unmade.find((name) => name in config)
  if (missing !== undefined) return `the double makes no ${missing}`
  return (config.balloon?.size ?? 0) > 0 ? 'the double makes no balloon that takes memory' : undefined
}

/** Throws what the real program finds wrong with a machine when it is booted, and when a device is added to it. */
export function validate(config: VmConfig): void {
  const { cpus, memory, vsock, payload, fs = [], net = [], landlock_rules = [] } = config
  if (payload?.kernel === undefined)
    throw invalidConfig(
      'Payload configuration is not bootable',
      'No bootitem provided: neither firmware nor kernel',
    )
  if (cpus.boot_vcpus < 1 || cpus.max_vcpus < cpus.boot_vcpus)
    throw invalidConfig('Max CPUs should be greater than or equal to boot CPUs')
  if (cpus.max_vcpus > 254) throw invalidConfig('Number of vCPUs is greater than the supported maximum')
  if (memory.size <= 0) throw invalidConfig('Memory size is zero')
  if (memory.hugepage_size !== undefined && memory.hugepages !== true)
    throw invalidConfig('Huge page size specified but huge pages not enabled')
  if (fs.length > 0 && memory.shared !== true)
    throw invalidConfig('Using vhost-user requires using shared memory')
  if (vsock !== undefined && vsock.cid < 3) throw invalidConfig('Vsock CID is reserved')
  for (const { mtu } of net)
    if (mtu !== undefined && mtu < 1280)
      throw invalidConfig(`Provided MTU ${mtu} is lower than 1280 (expected by VIRTIO specification)`)
  for (const { path } of landlock_rules)
    if (!exists(path)) throw invalidConfig(`Path "${path}" provided in landlock-rules does not exist`)
  const twice = repeatedId(config)
  if (twice !== undefined) throw invalidConfig(`Identifier ${twice} is not unique`)
}

function repeatedId({ disks = [], fs = [], net = [] }: VmConfig): string | undefined {
  const ids = [...disks, ...fs, ...net].flatMap(({ id }) => (id === undefined ? [] : [id]))
  return ids.find((id, index) => ids.indexOf(id) !== index)
}

/** The Landlock rules that the real program derives from a configuration, with those that it was given. */
export function landlockRules(config: VmConfig): [string, string][] {
  const { payload, disks = [], fs = [], rng, vsock, landlock_rules = [] } = config
  const parent = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/'
  const reading = [payload?.kernel, payload?.initramfs].filter((path) => path !== undefined)
  return [
    ...reading.map((path): [string, string] => [path, 'r']),
    ...disks.map(({ path = '', readonly }): [string, string] => [path, readonly === true ? 'r' : 'rw']),
    ...fs.map(({ socket }): [string, string] => [socket, 'rw']),
    ...(rng === undefined ? [] : [[rng.src, 'rw'] as [string, string]]),
    ...(vsock === undefined
      ? []
      : [[parent(vsock.socket), 'w'] as [string, string], [vsock.socket, 'rw'] as [string, string]]),
    ...landlock_rules.map(({ path, access }): [string, string] => [path, access]),
  ]
}
