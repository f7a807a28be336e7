/** What `kata-ts check` looks at in the programs of a VMM, besides its version. */
import type { HypervisorDriver } from '../config/config.ts'
import { jailerCheck } from './firecracker/program.ts'
import type { ProgramCheck } from './program.ts'
import { qemuFeaturesCheck } from './qemu/program.ts'

export const programChecks: Readonly<Record<HypervisorDriver, readonly ProgramCheck[]>> = {
  qemu: [qemuFeaturesCheck],
  clh: [],
  firecracker: [jailerCheck],
}
