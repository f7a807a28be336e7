import type { AgentFacts } from '../agent/agent-facts.ts'
import type { AgentConnection } from '../agent/connection.ts'
import type { Config } from '../config/config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import type { CgroupStats } from '../protocol/generated/agent.ts'
import type { Identity } from '../rootless/jail/launch-spec.ts'
import type { Share } from '../sharing/share.ts'
import type { GuestAssets } from '../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../vmm/kvm/accelerator.ts'
import type { Vmm } from '../vmm/vmm.ts'
import type { MachineEnd } from './end/machine-end.ts'
import type { SandboxNetwork } from './network/network.ts'
import type { SandboxPaths } from './records/paths.ts'
import type { CpuPlacement } from './size/cpu-placement.ts'
import type { MachineSizer } from './size/machine-sizer.ts'
import type { MachinePlan } from './size/sizing.ts'
import type { AssetFiles } from './start/prepare/asset-files.ts'
import type { ModuleBringer } from './storage/brought-modules.ts'
import type { Disks } from './storage/disks.ts'

/** The process by which clients know the pod: the holder of its network namespace, if there is one; else its VMM. */
export const podPid = ({ network, vmmProcess }: Pick<SandboxParts, 'network' | 'vmmProcess'>): number =>
  network.holder?.pid ?? vmmProcess.pid

/** What the machine was made of. */
export interface MadeMachine {
  readonly assets: GuestAssets
  /** Their files when its start found them. */
  readonly assetFiles: AssetFiles
  /** What a start would boot by now. @throws KataError where there is nothing for that any more. */
  assetsNow(): GuestAssets
  readonly accelerator: AcceleratorChoice
  readonly plan: MachinePlan
  /** `boot`: what it has was there from the start, or is a disk. */
  readonly began: 'boot' | 'clone'
  /** Hardware addresses of the network cards that it began with. */
  readonly macs: readonly string[]
}

/** What a start has made, for the sandbox to live with. */
export interface SandboxParts {
  readonly id: string
  readonly config: Config
  readonly identity: Identity
  readonly paths: SandboxPaths
  readonly ledger: Ledger
  readonly end: MachineEnd
  readonly vmm: Vmm
  readonly vmmProcess: ProcessRef
  readonly machine: MadeMachine
  /** The id by which the guest knows the container that it went on with; absent in a machine that has started without any. */
  readonly guestId?: string
  readonly share: Share
  readonly disks: Disks
  readonly modules: ModuleBringer
  readonly network: SandboxNetwork
  readonly agent: AgentConnection
  readonly agentFacts: AgentFacts
  readonly sizer: MachineSizer
  readonly cpus: Pick<CpuPlacement, 'place' | 'forget'>
  /** {@link CgroupPlacement.usage}. */
  hostUsage(): CgroupStats
  readonly log: Logger
}
