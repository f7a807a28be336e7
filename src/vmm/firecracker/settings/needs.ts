/** What kata-ts needs of the programs Firecracker and jailer. */
import type { HypervisorConfig } from '../../../config/config.ts'
import type { ProgramNeeds } from '../../program.ts'

export const firecrackerNeeds: ProgramNeeds = {
  name: 'Firecracker',
  install: 'firecracker',
  // First that tells a guest of its devices over ACPI; our kernel knows no other way to find them.
  minimum: { major: 1, minor: 8, micro: 0 },
}

/** With `reclaim_guest_freed_memory`: an older one does not know the field `free_page_reporting` and refuses it. */
export function needsFor({
  reclaimGuestFreedMemory,
}: Pick<HypervisorConfig, 'reclaimGuestFreedMemory'>): ProgramNeeds {
  return reclaimGuestFreedMemory
    ? { ...firecrackerNeeds, minimum: { major: 1, minor: 14, micro: 0 } }
    : firecrackerNeeds
}

export const jailerNeeds: Pick<ProgramNeeds, 'install'> = {
  install: 'jailer, of the same release as firecracker',
}
