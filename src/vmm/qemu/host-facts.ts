/** What of the host QEMU's arguments depend on, besides what the configuration and the machine asked for say. */
import { statSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { firmwareDirs } from './program.ts'

export interface HostFacts {
  /** Directories of QEMU's firmware and option ROMs. */
  readonly firmwareDirs: readonly string[]
  /** What 0 stands for in `maxVcpus`. */
  readonly hostCpus: number
  /** What 0 stands for in `maxMemoryMiB`. */
  readonly hostMemoryMiB: number
  /** Size of the initrd, needed with a TPM. */
  readonly initrdBytes?: number
}

/** The facts of this host. @throws ENOENT when a file is gone; check the program before. */
export function hostFacts(program: string, initrd?: string): HostFacts {
  return {
    firmwareDirs: firmwareDirs(program),
    hostCpus: availableParallelism(),
    hostMemoryMiB: Math.floor(totalmem() / 1024 / 1024),
    ...(initrd !== undefined && { initrdBytes: statSync(initrd).size }),
  }
}
