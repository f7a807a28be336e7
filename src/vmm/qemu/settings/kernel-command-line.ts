/** What QEMU's guests are told besides what every guest is. */
import { kernelCommandLine } from '../../machine/kernel-command-line.ts'
import type { MachineSpec } from '../../vmm.ts'
import type { MemorySettings } from './memory.ts'
import { presentVcpus } from './processors.ts'

/**
 * Memory that comes later is online at once. virtio-mem can take back only what the kernel keeps movable, and too little
 * other memory would starve the kernel: its own policy keeps a balance.
 */
function laterMemory({ enableVirtioMem }: Pick<MemorySettings, 'enableVirtioMem'>): string[] {
  return enableVirtioMem
    ? ['memhp_default_state=online_movable', 'memory_hotplug.online_policy=auto-movable']
    : ['memhp_default_state=online']
}

/**
 * With processors that are not used at boot the kernel starts one, and lpj spares the calibration loop of the others,
 * which under TCG takes seconds and fails.
 */
function laterProcessors(spec: MachineSpec, hostCpus: number): string[] {
  const oneOfMany = spec.accelerator === 'tcg' && presentVcpus(spec, hostCpus) > 1
  return oneOfMany ? ['maxcpus=1', 'lpj=10000000'] : []
}

/**
 * Under TCG the guest measures the speed of its time stamp counter at boot, and on a busy host gets it wrong: clocks ran
 * twenty times too fast, and every time limit with them. Marked unstable, the counter is replaced by the ACPI timer,
 * which QEMU keeps right; it cost no measurable processor time.
 */
const trustworthyClock = 'tsc=unstable'

/** The whole command line of a guest of QEMU; `more` is what else this machine needs said. */
export function qemuKernelCommandLine(
  spec: MachineSpec,
  settings: Pick<MemorySettings, 'enableVirtioMem'> & { readonly hostCpus: number },
  more: readonly string[] = [],
): string {
  return kernelCommandLine(spec, [
    ...laterProcessors(spec, settings.hostCpus),
    ...laterMemory(settings),
    ...(spec.accelerator === 'tcg' ? [trustworthyClock] : []),
    ...more,
  ])
}
