/** Builds the Sandbox from the parts that its start has made. */
import { vcpuThreads } from '../../cgroups/placement.ts'
import { Sandbox } from '../sandbox.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import { CpuPlacement } from '../size/cpu-placement.ts'
import { MachineSizer } from '../size/machine-sizer.ts'
import { memoryBound } from '../size/memory-bound.ts'
import { allowedCpus, bindThread } from '../size/thread-affinity.ts'
import { createDiskShare } from '../storage/disk-share.ts'
import { Disks } from '../storage/disks.ts'
import type { ServedShare } from '../storage/start-share.ts'
import type { SandboxCgroups } from './host.ts'

/** The parts that the earlier stages have made. */
export interface MadeParts extends Omit<SandboxParts, 'share' | 'disks' | 'sizer' | 'cpus' | 'hostUsage'> {
  readonly cgroups: Pick<SandboxCgroups, 'allowMemory' | 'confine' | 'placeVcpus' | 'podLimits' | 'usage'>
  /** Undefined when root file systems are disks and files are copied. */
  readonly served: ServedShare | undefined
  /** Disks that the machine already has. Absent for a machine that booted. */
  readonly disks?: Disks
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** @throws the signal's reason. */
export async function assembleSandbox(made: MadeParts): Promise<Sandbox> {
  const { cgroups, served, signal, ...parts } = made
  const { config, paths, ledger, end, vmm, vmmProcess, machine, agentFacts, log } = parts
  const { agent } = parts.agent
  const sizer = new MachineSizer({
    config,
    vmm,
    agent,
    boot: machine.plan,
    over: end.over,
    log,
    memoryBlockMiB: agentFacts.memoryBlockMiB,
    podLimits: () => cgroups.podLimits(),
    onGrowing: ({ memoryMiB }) => cgroups.allowMemory(memoryBound(memoryMiB)),
    onResized: () => cgroups.placeVcpus(vmmProcess.pid),
    onTakenBack: () => cpus.placeAgain(),
  })
  const { pid } = vmmProcess
  const cpus = new CpuPlacement({
    pin: config.runtime.enableVcpusPinning,
    threads: () => vcpuThreads(pid),
    log,
    everywhere: () => allowedCpus(pid),
    bind: (tid, list) => bindThread(pid, tid, list),
    confine: (cpuset) => cgroups.confine(cpuset),
  })
  const disks = made.disks ?? new Disks({ vmm, ledger, bus: config.hypervisor.blockDeviceDriver })
  signal.throwIfAborted()
  const share = served?.share ?? (await createDiskShare({ ledger, paths, disks, agent, log }))
  return new Sandbox({ ...parts, share, disks, sizer, cpus, hostUsage: () => cgroups.usage() })
}
