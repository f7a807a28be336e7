/** Which driver runs a sandbox's machine: that of the hypervisor table in its configuration. */
import type { Config, HypervisorDriver } from '../config/config.ts'
import { chooseAccelerator, type ProbeOutcome } from './accelerator.ts'
import { clhFeatures, createCloudHypervisor } from './cloud-hypervisor/cloud-hypervisor.ts'
import { createFirecracker, firecrackerFeatures } from './firecracker/firecracker.ts'
import { probeKvm } from './qemu/kvm-probe.ts'
import { createQemu, qemuFeatures } from './qemu/qemu.ts'
import type { Vmm, VmmFeatures, VmmOptions, VmSpec } from './vmm.ts'

interface DriverEntry {
  readonly features: VmmFeatures
  create(options: VmmOptions): Vmm
  /** Boots the guest with KVM to see whether it works; for drivers that could do without KVM. */
  probeKvm?(options: VmmOptions): Promise<ProbeOutcome>
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

/**
 * KVM or TCG for a machine. A driver that knows KVM only is asked for it as if the configuration insisted.
 *
 * @throws KataError KVM_UNUSABLE.
 */
export function chooseMachineAccelerator(
  options: Omit<VmmOptions, 'spec'> & { readonly spec: Omit<VmSpec, 'accelerator'>; readonly runDir: string },
) {
  const { config, log, runDir } = options
  const { path, accelerator } = config.hypervisor
  const { features, probeKvm: probe } = driverOf(config)
  const spec: VmSpec = { ...options.spec, accelerator: 'kvm' }
  return chooseAccelerator({
    configured: features.accelerators.includes('tcg') ? accelerator : 'kvm',
    ...{ kernel: spec.kernel, qemuPath: path, runDir, log },
    probe: async () => probe?.({ ...options, spec }) ?? { works: true, reason: 'the VMM knows nothing else' },
  })
}
