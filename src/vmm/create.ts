/**
 * Which driver runs a sandbox's machine: that of the hypervisor table in its configuration. Its code is loaded when it is first called: a shim
 * has one VMM, and keeps in memory what it has loaded.
 */
import type { Config, HypervisorConfig, HypervisorDriver } from '../config/config.ts'
import { configurationOf } from '../config/drivers.ts'
import type { Logger } from '../log.ts'
import {
  type AcceleratorChoice,
  type AcceleratorFacts,
  type AcceleratorForecast,
  chooseAccelerator,
  forecastAccelerator,
} from './kvm/accelerator.ts'
import type { ProbeOutcome } from './kvm/kvm-trial.ts'
import type { MachineSpec, ProbeOptions, TemplateShape, Vmm, VmmFeatures, VmmOptions } from './vmm.ts'

interface DriverEntry {
  /** Those of the driver's own code, which create.test.ts holds them to: they are asked for where no code is loaded. */
  readonly features: VmmFeatures
  create(options: VmmOptions): Promise<Vmm>
  /** For drivers that could do without KVM. */
  readonly kvmTrial?: () => Promise<KvmTrial>
  /** For a driver that can save machines: all that shapes one, besides the content of its files. */
  readonly templateShape?: (
    machine: MachineSpec,
    config: Pick<Config, 'hypervisor'>,
  ) => Promise<TemplateShape>
}

/** How a driver finds out whether KVM works. */
interface KvmTrial {
  /** Boots a guest with KVM. */
  boot(options: ProbeOptions): Promise<ProbeOutcome>
  /** What a pod may change of the machine that is tried: a failure holds for the same values only. */
  variant(hypervisor: HypervisorConfig): readonly unknown[]
}

/** The code of each VMM of src/config/drivers.ts. */
const drivers: Readonly<Record<HypervisorDriver, DriverEntry>> = {
  qemu: {
    features: { share: 'descriptor', nics: 'descriptor', ownSockets: false, ownKvmNode: false },
    create: async (options) => (await import('./qemu/qemu.ts')).createQemu(options),
    kvmTrial: async () => (await import('./qemu/kvm-probe.ts')).kvmTrial,
    templateShape: async (machine, config) =>
      (await import('./qemu/template-shape.ts')).qemuTemplateShape(machine, config),
  },
  clh: {
    features: { share: 'path', nics: 'descriptor', ownSockets: true, ownKvmNode: false },
    create: async (options) =>
      (await import('./cloud-hypervisor/cloud-hypervisor.ts')).createCloudHypervisor(options),
  },
  firecracker: {
    features: { share: 'none', nics: 'name', ownSockets: false, ownKvmNode: true },
    create: async (options) => (await import('./firecracker/firecracker.ts')).createFirecracker(options),
  },
}

function driverOf({ hypervisor }: Pick<Config, 'hypervisor'>): DriverEntry {
  return drivers[hypervisor.driver]
}

/** What machines of this configuration can do; known before one is made. */
export function vmmFeatures(config: Pick<Config, 'hypervisor'>): VmmFeatures {
  return driverOf(config).features
}

/** Undefined for a VMM that saves no machines. */
export function templateShape(
  machine: MachineSpec,
  config: Pick<Config, 'hypervisor'>,
): Promise<TemplateShape> | undefined {
  return driverOf(config).templateShape?.(machine, config)
}

/** A machine that is described but not started; what is wrong with the spec shows at start. */
export function createVmm(options: VmmOptions): Promise<Vmm> {
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
export async function chooseMachineAccelerator(
  request: MachineRequest & { readonly log: Logger },
  trial: MakeTrial,
): Promise<AcceleratorChoice> {
  const { config, log } = request
  const probeMs = config.agent.dialTimeout * 1000
  const kvmTrial = await driverOf(config).kvmTrial?.()
  const variant = JSON.stringify([...(kvmTrial?.variant(config.hypervisor) ?? []), probeMs])
  const probe = async () =>
    kvmTrial === undefined
      ? { works: true, reason: 'the VMM knows nothing else' }
      : trial((options) => kvmTrial.boot({ ...options, limitMs: probeMs }))
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
  const { path, accelerator, rootless, driver } = config.hypervisor
  return {
    configured: configurationOf(driver).accelerators.includes('tcg') ? accelerator : 'kvm',
    kernel,
    program: path,
    runDir,
    byGroup: rootless && needsKvmGroup(config),
  }
}
