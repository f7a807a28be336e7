/** The fields of a VmConfig that the double acts on; schema.ts has been asked about all of them before. */
export interface DiskConfig {
  readonly id?: string
  readonly path: string
  readonly readonly?: boolean
  readonly direct?: boolean
  readonly image_type?: string
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
    hotplug_size?: number
    readonly shared?: boolean
    readonly hugepages?: boolean
    readonly prefault?: boolean
  }
  readonly balloon?: { readonly size: number; readonly free_page_reporting?: boolean }
  readonly payload: { readonly kernel: string; readonly cmdline?: string; readonly initramfs?: string }
  disks?: DiskConfig[]
  fs?: FsConfig[]
  net?: NetConfig[]
  readonly rng?: { readonly src: string }
  readonly serial?: { readonly mode: string }
  readonly console?: { readonly mode: string }
  readonly vsock?: { readonly cid: number; readonly socket: string }
  readonly landlock_enable?: boolean
  readonly landlock_rules?: readonly { readonly path: string; readonly access: string }[]
}

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

/** Why the real program, or else the double, would not make this machine; undefined when nothing is wrong. */
export function refusal(config: VmConfig): string | undefined {
  const { cpus, memory, vsock, disks = [], fs = [] } = config
  const missing = unmade.find((name) => name in config)
  if (missing !== undefined) return `the double makes no ${missing}`
  if (cpus === undefined || memory === undefined) return 'the double wants cpus and memory'
  if (cpus.boot_vcpus < 1 || cpus.max_vcpus < cpus.boot_vcpus) return 'more boot vCPUs than max vCPUs'
  if (cpus.max_vcpus > 254) return 'too many vCPUs'
  if (memory.size <= 0) return 'memory size is zero'
  if ((config.balloon?.size ?? 0) > 0) return 'the double makes no balloon that takes memory'
  if (fs.length > 0 && !memory.shared) return 'vhost-user devices require shared memory'
  if (vsock !== undefined && vsock.cid < 3) return 'vsock context id under 3'
  if (config.serial?.mode === 'Tty' && config.console?.mode === 'Tty') return 'two consoles on the terminal'
  const ids = [...disks, ...fs, ...(config.net ?? [])].flatMap(({ id }) => (id === undefined ? [] : [id]))
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  return twice === undefined ? undefined : `identifier ${twice} is not unique`
}

/** The Landlock rules that the real program derives from a configuration, with those that it was given. */
export function landlockRules(config: VmConfig): [string, string][] {
  const { payload, disks = [], fs = [], rng, vsock, landlock_rules = [] } = config
  const parent = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/'
  return [
    [payload.kernel, 'r'],
    ...(payload.initramfs === undefined ? [] : [[payload.initramfs, 'r'] as [string, string]]),
    ...disks.map(({ path, readonly }): [string, string] => [path, readonly === true ? 'r' : 'rw']),
    ...fs.map(({ socket }): [string, string] => [socket, 'rw']),
    ...(rng === undefined ? [] : [[rng.src, 'rw'] as [string, string]]),
    ...(vsock === undefined
      ? []
      : [[parent(vsock.socket), 'w'] as [string, string], [vsock.socket, 'rw'] as [string, string]]),
    ...landlock_rules.map(({ path, access }): [string, string] => [path, access]),
  ]
}
