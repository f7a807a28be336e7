/** Keys that only QEMU's driver acts on. */
import { type Key, keysAfter, keysOf } from '../../../config/key-spec.ts'
import { boolean, choice, integer, quoteValue, string, type ValueType } from '../../../config/value-types.ts'

/** How a disk is read and written. */
export type BlockDeviceAio = 'threads' | 'native' | 'io_uring'

export interface QemuFields {
  readonly machineType: string
  /** QEMU's notation, `vmx=on,-avx`. */
  readonly cpuFeatures: string
  /** Value of `-sandbox`; never empty, never off. */
  readonly seccompSandbox: string
  readonly memorySlots: number
  /** Free PCIe root ports for hot-plug. */
  readonly pcieRootPort: number
  readonly blockDeviceAio: BlockDeviceAio
  /** Counts with `blockDeviceCacheSet` only. */
  readonly blockDeviceCacheNoflush: boolean
}

/** The whole `-sandbox` line; an empty `seccompsandbox` means it. */
export const fullSeccompSandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

const sandboxLine = string(
  /^(on(,(obsolete|elevateprivileges|spawn|resourcecontrol)=(allow|deny)|,elevateprivileges=children)*)?$/,
  `"" or a line that begins with "on" and names obsolete, elevateprivileges, spawn, resourcecontrol`,
)
const fullUnlessSaid: ValueType<string> = {
  ...sandboxLine,
  fromToml: (value) => sandboxLine.fromToml(value) || fullSeccompSandbox,
  fromText: (text) => sandboxLine.fromText(text) || fullSeccompSandbox,
}

/** What a line does not deny. QEMU counts the last word about a thing, and denies obsolete calls unless it is told not to. */
function leftOpen(line: string): string | undefined {
  const words = line.split(',').slice(1)
  const said = new Map([['obsolete', 'deny'], ...words.map((word) => word.split('=') as [string, string])])
  const open = ['obsolete', 'elevateprivileges', 'spawn', 'resourcecontrol'].filter(
    (name) => said.get(name) !== 'deny',
  )
  if (open.length === 0) return undefined
  return `QEMU's own seccomp filter does not deny ${open.join(', ')} (seccompsandbox = ${quoteValue(line)}); what the jail's denies stays denied`
}

const cpuFeature = '[+-]?[a-zA-Z0-9][a-zA-Z0-9._-]*(=[a-zA-Z0-9._-]+)?'
const cpuFeatures = string(
  new RegExp(`^(${cpuFeature}(,${cpuFeature})*)?$`),
  'CPU features of QEMU separated by commas, for instance "vmx=on,-avx"',
)

const key = keysOf('hypervisor')

export const qemuKeys: readonly Key[] = [
  ...keysAfter(
    'kernel_params',
    key('machine_type', 'machineType', choice(['q35']), 'q35', 'QEMU machine type.', {
      ...{ annotation: 'machine_type', example: 'q35' },
    }),
    key(
      'cpu_features',
      'cpuFeatures',
      cpuFeatures,
      '',
      'Added to the CPU model. Performance counters and nested virtualisation are off unless this asks for them (`pmu=on`, `vmx=on`, `svm=on`).',
      { annotation: 'cpu_features', example: 'pmu=off' },
    ),
  ),
  ...keysAfter(
    'accelerator',
    key(
      'seccompsandbox',
      'seccompSandbox',
      fullUnlessSaid,
      fullSeccompSandbox,
      "QEMU's `-sandbox` value. Empty means the whole line (Kata: off); it cannot be switched off.",
      { wall: true, opens: { wall: 'vmm-seccomp', what: leftOpen }, aliases: ['seccomp_sandbox'] },
    ),
  ),
  ...keysAfter(
    'default_maxmemory',
    key('memory_slots', 'memorySlots', integer(0, 255), 10, 'Slots for memory hot-plug.', {
      ...{ annotation: 'memory_slots', example: '4' },
    }),
  ),
  ...keysAfter(
    'reclaim_guest_freed_memory',
    key(
      'pcie_root_port',
      'pcieRootPort',
      integer(0, 16),
      4,
      'Free PCIe root ports for hot-plug (Kata: 0). Each costs some 20 ms of a boot under TCG.',
      { annotation: 'pcie_root_port', example: '8' },
    ),
  ),
  ...keysAfter(
    'block_device_driver',
    key(
      'block_device_aio',
      'blockDeviceAio',
      choice(['threads', 'native', 'io_uring']),
      'threads',
      "How QEMU reads and writes a disk. `native` is the kernel's asynchronous I/O, which exists past the page cache only (`block_device_cache_direct`); otherwise it counts as `threads`. `io_uring`, Kata's default, counts as `native`: its rings are closed to a confined VMM.",
      { annotation: 'block_device_aio', example: 'threads' },
    ),
  ),
  ...keysAfter(
    'block_device_cache_direct',
    key(
      'block_device_cache_noflush',
      'blockDeviceCacheNoflush',
      boolean,
      false,
      "Ignores the guest's flushes: faster, and a crash of the host loses data.",
      { annotation: 'block_device_cache_noflush', example: 'true' },
    ),
  ),
]
