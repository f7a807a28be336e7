/** Which driver runs a sandbox's machine: that of the hypervisor table in its configuration. */
import type { Config, HypervisorDriver } from '../config/config.ts'
import type { Logger } from '../log.ts'
import { clhFeatures, createCloudHypervisor } from './cloud-hypervisor/cloud-hypervisor.ts'
import { createFirecracker, firecrackerFeatures } from './firecracker/firecracker.ts'
import {
  type AcceleratorChoice,
  type AcceleratorFacts,
  type AcceleratorForecast,
  chooseAccelerator,
  forecastAccelerator,
} from './kvm/accelerator.ts'
import type { ProbeOutcome } from './kvm/kvm-trial.ts'
import { probeKvm } from './qemu/kvm-probe.ts'
import { createQemu, qemuFeatures } from './qemu/qemu.ts'
import type { ProbeOptions, Vmm, VmmFeatures, VmmOptions } from './vmm.ts'

interface DriverEntry {
  readonly features: VmmFeatures
  create(options: VmmOptions): Vmm
  /** Boots a guest with KVM to see whether it works; for drivers that could do without KVM. */
  probeKvm?(options: ProbeOptions): Promise<ProbeOutcome>
}

/** By the names of the tables `[hypervisor.<name>]`. */
const drivers: Readonly<Record<HypervisorDriver, DriverEntry>> = {
  qemu: { features: qemuFeatures, create: createQemu, probeKvm },
  clh: { features: clhFeatures, create: createCloudHypervisor },
  firecracker: { features: firecrackerFeatures, create: createFirecracker },
}

function driverOf({ hypervisor }: Pick<Config, 'hypervisor'>): DriverEntry {
  return drivers[hypervisor.driver]
}

/** What machines of this configuration can do; known before one is made. */
export function vmmFeatures(config: Pick<Config, 'hypervisor'>): VmmFeatures {
  return driverOf(config).features
}

/** A machine that is described but not started; what is wrong with the spec shows at start. */
export function createVmm(options: VmmOptions): Vmm {
  return driverOf(options.config).create(options)
}

export interface MachineRequest {
  readonly config: Pick<Config, 'hypervisor' | 'agent'>
  /** The guest's kernel. */
  readonly kernel: string
  /** `/run/kata-ts`. */
  readonly runDir: string
}

/** Makes a machine of its own for the trial `boot`, and takes it away again. */
export type MakeTrial = (
  boot: (options: Omit<ProbeOptions, 'limitMs'>) => Promise<ProbeOutcome>,
) => Promise<ProbeOutcome>

/**
 * KVM or TCG for a machine; a trial takes as long as dial_timeout allows. A driver that knows KVM only is asked for it as if
 * the configuration insisted.
 *
 * @throws KataError KVM_UNUSABLE.
 */
export function chooseMachineAccelerator(
  request: MachineRequest & { readonly log: Logger },
  trial: MakeTrial,
): Promise<AcceleratorChoice> {
  const { config, log } = request
  const probeMs = config.agent.dialTimeout * 1000
  const { kernelParams, cpuFeatures, initrd, image } = config.hypervisor
  const variant = JSON.stringify([kernelParams, cpuFeatures, initrd, image, probeMs])
  const { probeKvm: boot } = driverOf(config)
  const probe = async () =>
    boot === undefined
      ? { works: true, reason: 'the VMM knows nothing else' }
      : trial((options) => boot({ ...options, limitMs: probeMs }))
  return chooseAccelerator({ ...factsOf(request), probe, probeMs, variant, log })
}

/** What {@link chooseMachineAccelerator} would choose now, as far as that is known without booting anything. */
export function forecastMachineAccelerator(request: MachineRequest): AcceleratorForecast {
  return forecastAccelerator(factsOf(request))
}

/** Whether a VMM's user gets to KVM by the group of its node: neither a descriptor nor a node of its own takes one. */
export function needsKvmGroup({ hypervisor }: Pick<Config, 'hypervisor'>): boolean {
  return hypervisor.kvmAccess !== 'descriptor' && !driverOf({ hypervisor }).features.ownKvmNode
}

function factsOf({ config, kernel, runDir }: MachineRequest): AcceleratorFacts {
  const { path, accelerator, rootless } = config.hypervisor
  return {
    configured: driverOf(config).features.accelerators.includes('tcg') ? accelerator : 'kvm',
    ...{ kernel, qemuPath: path, runDir, byGroup: rootless && needsKvmGroup(config) },
  }
}
