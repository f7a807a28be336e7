/** What QEMU's guests are told besides what every guest is. */
import { kernelCommandLine } from '../kernel-command-line.ts'
import type { VmSpec } from '../vmm.ts'

/**
 * Under TCG a second CPU costs the boot 0.6 s and more, and bringing it online later a tenth of that; lpj spares the
 * calibration loop, which under TCG takes seconds and fails.
 */
export function offlineVcpus({ accelerator, vcpus }: Pick<VmSpec, 'accelerator' | 'vcpus'>): number {
  return accelerator === 'tcg' ? Math.ceil(vcpus) - 1 : 0
}

/**
 * Under TCG the guest measures the speed of its time stamp counter at boot, and on a busy host gets it wrong: clocks ran
 * twenty times too fast, and every time limit with them. Marked unstable, the counter is replaced by the ACPI timer,
 * which QEMU keeps right; it cost no measurable processor time.
 */
const trustworthyClock = 'tsc=unstable'

/** The whole command line of a guest of QEMU. */
export function qemuKernelCommandLine(spec: VmSpec): string {
  return kernelCommandLine(spec, [
    ...(offlineVcpus(spec) > 0 ? ['maxcpus=1', 'lpj=10000000'] : []),
    ...(spec.accelerator === 'tcg' ? [trustworthyClock] : []),
  ])
}
