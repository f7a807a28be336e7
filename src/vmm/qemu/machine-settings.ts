/** From configuration and host to what the command line needs besides the VmSpec. */
import { availableParallelism, totalmem } from 'node:os'
import type { HypervisorConfig } from '../../config/config.ts'
import { firmwareDirs } from './program.ts'
import type { MachineSettings } from './settings/command-line.ts'

/** The settings of this host. @throws ENOENT when the program is gone; check it before. */
export function machineSettings(hypervisor: HypervisorConfig): MachineSettings {
  return {
    machineType: hypervisor.machineType,
    cpuFeatures: hypervisor.cpuFeatures,
    pcieRootPort: hypervisor.pcieRootPort,
    memorySlots: hypervisor.memorySlots,
    enableVirtioMem: hypervisor.enableVirtioMem,
    enableHugepages: hypervisor.enableHugepages,
    enableMemPrealloc: hypervisor.enableMemPrealloc,
    reclaimGuestFreedMemory: hypervisor.reclaimGuestFreedMemory,
    seccompSandbox: hypervisor.seccompSandbox,
    entropySource: hypervisor.entropySource,
    firmwareDirs: firmwareDirs(hypervisor.path),
    hostCpus: availableParallelism(),
    hostMemoryMiB: Math.floor(totalmem() / 1024 / 1024),
  }
}
