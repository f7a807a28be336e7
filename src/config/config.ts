/** The one typed, validated and frozen configuration that the rest of the house sees. Key names: docs/configuration.md. */
import type { DriverFields, HypervisorDriver } from './drivers.ts'
import type { AgentConfig } from './keys/agent.ts'
import type { BootFields } from './keys/boot.ts'
import type { DeviceFields } from './keys/devices.ts'
import type { FactoryConfig } from './keys/factory.ts'
import type { LimitFields } from './keys/limits.ts'
import type { RightsFields } from './keys/rights.ts'
import type { RuntimeConfig } from './keys/runtime.ts'
import type { ShareFields } from './keys/share.ts'
import type { SizeFields } from './keys/size.ts'

export type { HypervisorDriver } from './drivers.ts'
export type { AgentConfig } from './keys/agent.ts'
export type { FactoryConfig } from './keys/factory.ts'
export type { RuntimeConfig } from './keys/runtime.ts'

export type Accelerator = 'auto' | 'kvm' | 'tcg'
/** How a VMM comes to /dev/kvm. */
export type KvmAccess = 'group' | 'descriptor'
/** Whether a process of a sandbox may run on a kernel without Landlock. */
export type LandlockMode = 'required' | 'best-effort'
/** How the host talks to the guest's agent; `auto`: by vsock where the host has it. */
export type AgentChannel = 'serial' | 'vsock' | 'auto'
/** How a sandbox's user exists: really (`useradd`), as a drop-in in /run/userdb, or as bare numbers. */
export type AccountMode = 'useradd' | 'userdb' | 'none'
/** File system of a guest's disk image. */
export type RootfsType = 'ext4' | 'xfs' | 'erofs'
/** The user of virtiofsd: one of its own, root of the host, or one of its own if every share of the pod allows it. */
export type VirtioFsPrivilege = 'auto' | 'unprivileged' | 'root'
export type VirtioFsCache = 'never' | 'metadata' | 'auto' | 'always'
/** How the guest sees a disk. */
export type BlockDeviceDriver = 'virtio-scsi' | 'virtio-blk' | 'virtio-mmio'
/** Where a VFIO device is plugged in; `no-port`: not at all. */
export type VfioPort = 'no-port' | 'root-port'
export type InternetworkingModel = 'tcfilter' | 'none'

/** SHA-512, hexadecimal, by the keys that name the files. */
export type AssetHashes = Readonly<Record<string, string>>

/**
 * The hypervisor table of one VMM; each field stands beside its key in keys/ or in the driver's folder. Every field is there
 * for every driver: one without a meaning for the driver has its default, and docs/configuration.md says which have a meaning
 * where.
 */
export interface HypervisorConfig
  extends BootFields,
    RightsFields,
    SizeFields,
    DeviceFields,
    LimitFields,
    ShareFields,
    DriverFields {
  readonly driver: HypervisorDriver
  /** From annotations only (`kernel_hash` and so on). */
  readonly assetHashes: AssetHashes
}

export interface Config {
  /** The main file, or `built-in` when no file exists. */
  readonly source: string
  readonly dropIns: readonly string[]
  readonly hypervisor: HypervisorConfig
  readonly agent: AgentConfig
  readonly runtime: RuntimeConfig
  readonly factory: FactoryConfig
}
