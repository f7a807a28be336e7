/** The one typed, validated and frozen configuration that the rest of the house sees. Key names: docs/configuration.md. */

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
/** Which VMM: the name of the table `[hypervisor.<driver>]`. */
export type HypervisorDriver = 'qemu' | 'clh' | 'firecracker'
/** How the guest sees a disk. */
export type BlockDeviceDriver = 'virtio-scsi' | 'virtio-blk' | 'virtio-mmio'
/** How QEMU reads and writes a disk. */
export type BlockDeviceAio = 'threads' | 'native' | 'io_uring'
/** Where a VFIO device is plugged in; `no-port`: not at all. */
export type VfioPort = 'no-port' | 'root-port'
export type InternetworkingModel = 'tcfilter' | 'none'

/** Files for which a pod may demand a checksum, by their keys. */
export type HashedAsset = 'path' | 'jailer_path' | 'kernel' | 'initrd' | 'image'
/** SHA-512, hexadecimal. */
export type AssetHashes = Readonly<Partial<Record<HashedAsset, string>>>

/**
 * The hypervisor table of one VMM. Every field is there for every driver: one without a meaning for the driver has its
 * default, and docs/configuration.md says which have a meaning where.
 */
export interface HypervisorConfig {
  readonly driver: HypervisorDriver
  /** `path`: the VMM program. */
  readonly path: string
  readonly jailerPath: string
  /** `kernel`, `initrd`, `image`: empty means the image that `kata-ts image build` made. */
  readonly kernel: string
  readonly initrd: string
  readonly image: string
  /** `rootfs_type`: of the image. */
  readonly rootfsType: RootfsType
  /** `kernel_params`, split at white space, appended last. */
  readonly kernelParams: readonly string[]
  readonly machineType: string
  readonly cpuFeatures: string
  /** `accelerator` (ours). */
  readonly accelerator: Accelerator
  /** `kvm_access` (ours). */
  readonly kvmAccess: KvmAccess
  readonly rootless: boolean
  /** `landlock` (ours). */
  readonly landlock: LandlockMode
  /** `rootless_account` (ours). */
  readonly rootlessAccount: AccountMode
  /** `rootless_uid_base` (ours): first uid of the reserved range; a block of 65536 ids per sandbox. */
  readonly rootlessUidBase: number
  /** `rootless_uid_blocks` (ours): how many blocks, that is how many sandboxes at most. */
  readonly rootlessUidBlocks: number
  /** From annotations only (`kernel_hash` and so on). */
  readonly assetHashes: AssetHashes
  readonly enableAnnotations: readonly string[]
  /** `valid_hypervisor_paths`: file name patterns that the annotation `path` may name. */
  readonly validHypervisorPaths: readonly string[]
  /** `valid_jailer_paths`: likewise for `jailer_path`. */
  readonly validJailerPaths: readonly string[]
  /** `valid_virtio_fs_daemon_paths`: likewise for `virtio_fs_daemon`. */
  readonly validVirtioFsDaemonPaths: readonly string[]
  /** `valid_entropy_sources`: likewise for `entropy_source`. */
  readonly validEntropySources: readonly string[]
  /** May have a fraction, which is rounded up when the machine is built. */
  readonly defaultVcpus: number
  /** 0 means as many as the host has. */
  readonly defaultMaxVcpus: number
  /** MiB. */
  readonly defaultMemory: number
  /** MiB; 0 means the host's memory. */
  readonly defaultMaxMemory: number
  readonly memorySlots: number
  readonly enableVirtioMem: boolean
  readonly enableMemPrealloc: boolean
  readonly enableHugepages: boolean
  readonly reclaimGuestFreedMemory: boolean
  /** Free PCIe root ports for hot-plug. */
  readonly pcieRootPort: number
  /** `agent_channel` (ours). */
  readonly agentChannel: AgentChannel
  /** `enable_tpm`, `swtpm_path` (ours). */
  readonly enableTpm: boolean
  readonly swtpmPath: string
  readonly disableBlockDeviceUse: boolean
  readonly blockDeviceDriver: BlockDeviceDriver
  readonly blockDeviceAio: BlockDeviceAio
  /** `block_device_cache_set`: whether the next two count. */
  readonly blockDeviceCacheSet: boolean
  readonly blockDeviceCacheDirect: boolean
  readonly blockDeviceCacheNoflush: boolean
  /** Never both other than `no-port`. */
  readonly hotPlugVfio: VfioPort
  readonly coldPlugVfio: VfioPort
  readonly disableVhostNet: boolean
  /** Queue pairs of a network interface. */
  readonly networkQueues: number
  /** `seccompsandbox`: value of QEMU's `-sandbox`; never empty, never off. */
  readonly seccompSandbox: string
  /** `none` for Firecracker only. */
  readonly sharedFs: 'virtio-fs' | 'none'
  readonly virtioFsDaemon: string
  readonly virtioFsCache: VirtioFsCache
  /** `virtio_fs_privilege` (ours). */
  readonly virtioFsPrivilege: VirtioFsPrivilege
  /** `virtio_fs_nosuid` (ours). */
  readonly virtioFsNosuid: boolean
  /** `virtio_fs_suid_volumes` (ours): patterns of directories of the host. */
  readonly virtioFsSuidVolumes: readonly string[]
  readonly virtioFsQueueSize: number
  readonly virtioFsExtraArgs: readonly string[]
  readonly entropySource: string
  readonly enableDebug: boolean
}

export interface AgentConfig {
  /** `dial_timeout`, seconds. */
  readonly dialTimeout: number
  readonly kernelModules: readonly string[]
  readonly enableDebug: boolean
}

export interface RuntimeConfig {
  readonly enableDebug: boolean
  readonly disableGuestSeccomp: boolean
  /** `create_container_timeout`, seconds. */
  readonly createContainerTimeout: number
  readonly internetworkingModel: InternetworkingModel
  readonly sandboxCgroupOnly: boolean
  readonly staticSandboxResourceMgmt: boolean
}

export interface Config {
  /** The main file, or `built-in` when no file exists. */
  readonly source: string
  readonly dropIns: readonly string[]
  readonly hypervisor: HypervisorConfig
  readonly agent: AgentConfig
  readonly runtime: RuntimeConfig
}
