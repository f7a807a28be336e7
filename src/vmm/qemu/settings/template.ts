/** Machines that are saved, and those that begin with what was saved. */
import type { MachineSpec } from '../../vmm.ts'

/** What a clone may be given by hot-plug: two shares, and two network cards. */
export const latePorts = 4

/** The file that the machine's guest goes on from; undefined for one that boots. */
export function savedState({ template }: Pick<MachineSpec, 'template'>): string | undefined {
  return typeof template === 'object' ? template.state : undefined
}
