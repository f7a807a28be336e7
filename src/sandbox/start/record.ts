/** Records the facts about a sandbox once its guest has answered. */
import type { AgentFacts } from '../../agent/agent-facts.ts'
import type { Config } from '../../config/config.ts'
import type { ProcessRef } from '../../linux/processes/proc.ts'
import type { GuestAssets } from '../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../vmm/kvm/accelerator.ts'
import type { MachineSize } from '../../vmm/vmm.ts'
import { type SandboxFacts, writeFacts } from '../records/facts.ts'
import type { OpenWall } from '../records/open-walls.ts'
import { shareDevices } from '../storage/share-attachments.ts'
import type { ServedShare } from '../storage/start-share.ts'
import type { SandboxUser } from './prepare/user.ts'
import type { Timing } from './timings.ts'

export interface StartedSandbox {
  readonly id: string
  readonly namespace: string
  readonly config: Pick<Config, 'hypervisor'>
  readonly shim: ProcessRef
  readonly vmmProcess: ProcessRef
  readonly assets: Pick<GuestAssets, 'kernel' | 'initrd'>
  /** {@link SandboxFacts.template}. */
  readonly template: string
  /** {@link SandboxFacts.waited}. */
  readonly waited?: string | undefined
  readonly accelerator: AcceleratorChoice
  readonly plan: MachineSize
  readonly user: SandboxUser
  readonly share: ServedShare | undefined
  readonly walls: readonly OpenWall[]
  readonly agentFacts: AgentFacts
  readonly timings: readonly Timing[]
}

export function recordFacts(path: string, sandbox: StartedSandbox): void {
  writeFacts(path, factsOf(sandbox))
}

function factsOf(sandbox: StartedSandbox): SandboxFacts {
  const { id, namespace, shim, vmmProcess, assets, accelerator, plan, share, agentFacts } = sandbox
  const { hypervisor } = sandbox.config
  const { identity, privateDir } = sandbox.user
  return {
    id,
    namespace,
    shimPid: shim.pid,
    vmmPid: vmmProcess.pid,
    virtiofsdPids: shareDevices(share).flatMap(({ daemon }) => daemon.processes.map(({ pid }) => pid)),
    virtiofsdUid: share?.first.daemon.idmap?.first ?? 0,
    rootless: hypervisor.rootless,
    user: identity.name,
    uid: identity.uid,
    gid: identity.gid,
    groups: identity.groups,
    account: hypervisor.rootless ? hypervisor.rootlessAccount : 'root',
    privateDir,
    vmm: hypervisor.path,
    accelerator: accelerator.accelerator,
    acceleratorReason: accelerator.reason,
    openWalls: sandbox.walls,
    kernel: assets.kernel,
    initrd: assets.initrd ?? '',
    template: sandbox.template,
    ...(sandbox.waited === undefined ? {} : { waited: sandbox.waited }),
    agent: { name: agentFacts.name, version: agentFacts.version },
    vcpus: plan.vcpus,
    memoryMiB: plan.memoryMiB,
    timings: sandbox.timings,
  }
}
