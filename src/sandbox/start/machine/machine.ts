/** The machine: its description, its VMM, and the start of that, in which no guest code runs yet. */
import type { Config } from '../../../config/config.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { ProcessRef } from '../../../linux/processes/proc.ts'
import type { GuestAssets } from '../../../vmm/host/assets.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import type { MachineSpec, TemplateUse, Vmm, VmSpec } from '../../../vmm/vmm.ts'
import type { SandboxPaths } from '../../records/paths.ts'
import type { MachinePlan } from '../../size/sizing.ts'
import type { SandboxCgroups, StartHost } from '../host.ts'
import type { MachineDevices } from '../prepare/devices.ts'
import type { SandboxUser } from '../prepare/user.ts'
import type { SandboxRequest } from '../request.ts'
import type { Timings } from '../timings.ts'
import { guestParameters } from './guest-parameters.ts'

export interface MachineParts {
  /** The sandbox's. */
  readonly id: string
  readonly config: Config
  readonly paths: Pick<SandboxPaths, 'stateDir'>
  readonly assets: GuestAssets
  readonly plan: MachinePlan
  readonly accelerator: AcceleratorChoice
  readonly user: SandboxUser
  readonly devices: Pick<MachineDevices, 'attached'>
  /** Absent for a machine that boots by itself. */
  readonly template?: TemplateUse | undefined
  /** {@link VmSpec.resumed}. */
  readonly resumed?: VmSpec['resumed']
}

export function describeMachine(parts: MachineParts): VmSpec {
  const { paths, user, devices, template, resumed } = parts
  return {
    ...describeGuest(parts),
    identity: user.identity,
    privateDir: user.privateDir,
    stateDir: paths.stateDir,
    ...devices.attached,
    ...(template === undefined ? {} : { template }),
    ...(resumed === undefined ? {} : { resumed }),
  }
}

/** The machine without what is the sandbox's own: its user, its network, its share. */
export function describeGuest(
  parts: Pick<MachineParts, 'id' | 'config' | 'assets' | 'plan' | 'accelerator'>,
): MachineSpec {
  const { id, config, plan, accelerator } = parts
  const { verify: _, ...files } = parts.assets
  return {
    sandboxId: id,
    ...files,
    kernelParams: guestParameters(config),
    kvmAccess: config.hypervisor.kvmAccess,
    ...plan,
    accelerator: accelerator.accelerator,
  }
}

/** The VMM of the machine, not started yet. @throws KataError of its driver. */
export async function makeVmm(
  { createVmm }: Pick<StartHost, 'createVmm'>,
  ledger: Ledger,
  parts: MachineParts,
  { log, signal }: Pick<SandboxRequest, 'log' | 'signal'>,
): Promise<Vmm> {
  const { config } = parts
  const patience = { start: config.agent.dialTimeout, plug: config.runtime.createContainerTimeout }
  return await createVmm({ spec: describeMachine(parts), patience, config, ledger, log, signal })
}

/**
 * Starts the VMM and puts it into the sandbox's cgroups. Our copies of its devices are closed then.
 *
 * @throws KataError, those of {@link Vmm.start}; DEVICE_IN_USE; that of the cgroups when they had no memory left.
 */
export async function startMachine(
  vmm: Pick<Vmm, 'start'>,
  { devices, cgroups }: { devices: MachineDevices; cgroups: Pick<SandboxCgroups, 'explain' | 'placeVmm'> },
  { measure }: Pick<Timings, 'measure'>,
): Promise<ProcessRef> {
  const { ref } = await measure('vmm', () => cgroups.explain(devices.explain(vmm.start())))
  devices[Symbol.dispose]()
  await cgroups.placeVmm(ref.pid)
  return ref
}
