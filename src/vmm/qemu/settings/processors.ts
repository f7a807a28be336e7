/** The machine's processors: how many it boots with, how many it can come to have. */
import { KataError } from '../../../errors.ts'
import type { MachineSpec } from '../../vmm.ts'

/** More needs interrupt remapping, which this machine has not. */
const mostVcpus = 240
/**
 * Unused processors that a machine under TCG has unless `default_maxvcpus` says otherwise. Measured: up to 4 cost the
 * boot nothing that can be told, 8 some 0.1 s, 16 some 0.5 s, and each 1 MB of memory.
 */
const mostSpareTcgVcpus = 4

type Processors = Pick<MachineSpec, 'accelerator' | 'vcpus' | 'maxVcpus'>

/** Value of `-smp`. @throws KataError VMM_OPTION_INVALID. */
export function processorsOption(spec: MachineSpec, hostCpus: number): string {
  const boot = Math.ceil(spec.vcpus)
  if (!Number.isSafeInteger(boot) || boot <= 0)
    throw new KataError('VMM_OPTION_INVALID', { reason: `default_vcpus is ${boot}` })
  const max = spec.accelerator === 'kvm' ? placesForVcpus(spec, hostCpus) : presentVcpus(spec, hostCpus)
  const present = spec.accelerator === 'kvm' ? boot : max
  return `cpus=${present},sockets=${max},cores=1,threads=1,maxcpus=${max}`
}

/** Processors that the guest sees at boot. Under TCG all it may ever have: it does not take one that comes later. */
export function presentVcpus(spec: Processors, hostCpus: number): number {
  const boot = Math.ceil(spec.vcpus)
  if (spec.accelerator === 'kvm') return boot
  const most = spec.maxVcpus || Math.min(hostCpus, boot + mostSpareTcgVcpus)
  return Math.max(boot, Math.min(most, mostVcpus))
}

function placesForVcpus(spec: Processors, hostCpus: number): number {
  return Math.max(Math.ceil(spec.vcpus), Math.min(spec.maxVcpus || hostCpus, mostVcpus))
}

/**
 * Processors that the agent has to bring online to make up what the machine boots with. Under TCG a second CPU costs the
 * boot 0.6 s and more, and bringing it online later a tenth of that.
 */
export function offlineVcpus({ accelerator, vcpus }: Pick<MachineSpec, 'accelerator' | 'vcpus'>): number {
  return accelerator === 'tcg' ? Math.ceil(vcpus) - 1 : 0
}
