/** The proof that KVM works: a small machine of its own boots the sandbox's guest up to opening the agent's port. */
import type { HypervisorConfig } from '../../config/config.ts'
import { within } from '../../time.ts'
import type { ProbeOutcome } from '../kvm/kvm-trial.ts'
import { lastWords } from '../monitor/end-error.ts'
import type { ProbeOptions, VmSpec } from '../vmm.ts'
import { createQemu } from './qemu.ts'
import { agentPortId } from './settings/command-line.ts'

/**
 * Boots the machine of `options` with KVM, confined as every VMM is, and ends it.
 *
 * @throws KataError those of a VMM's start.
 */
export async function probeKvm({ limitMs, ...options }: ProbeOptions): Promise<ProbeOutcome> {
  const spec: VmSpec = { ...options.spec, accelerator: 'kvm' }
  const up = Promise.withResolvers<ProbeOutcome>()
  const onEvent = (name: string, data: Readonly<Record<string, unknown>>) => {
    if (name === 'VSERPORT_CHANGE' && data.id === agentPortId && data.open === true)
      up.resolve({ works: true, reason: 'a guest booted with it' })
  }
  const vmm = createQemu({
    ...options,
    config: { hypervisor: bare(options.config.hypervisor) },
    spec,
    onEvent,
  })
  try {
    await vmm.start()
    await vmm.boot()
    const over = vmm.ended.then((end) => ({
      works: false,
      reason: `the guest ended with ${end.reason}: ${lastWords(end.consoleTail, end.logTail)}`,
    }))
    const outcome = await within(Promise.race([up.promise, over]), limitMs)
    return outcome ?? { works: false, reason: `no guest came up within ${limitMs / 1000} s (dial_timeout)` }
  } finally {
    await vmm.stop()
  }
}

/** The trial of this driver, for create.ts. */
export const kvmTrial = {
  boot: probeKvm,
  variant: ({ kernelParams, cpuFeatures, initrd, image }: HypervisorConfig) => [
    ...[kernelParams, cpuFeatures],
    ...[initrd, image],
  ],
}

/** Without all that takes memory or ports of the host ahead of time. */
function bare(hypervisor: HypervisorConfig): HypervisorConfig {
  return {
    ...hypervisor,
    ...{ enableHugepages: false, enableMemPrealloc: false, enableVirtioMem: false },
    ...{ reclaimGuestFreedMemory: false, pcieRootPort: 0 },
    ...{ hotPlugVfio: 'no-port', coldPlugVfio: 'no-port' },
  }
}
