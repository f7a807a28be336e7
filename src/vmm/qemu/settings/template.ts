/** Machines that are saved, and those that begin with what was saved. */
import type { MachineSpec } from '../../vmm.ts'

/** What a clone may be given by hot-plug: two shares, and two network cards. */
export const latePorts = 4

/** The file that the machine's guest goes on from; undefined for one that boots. */
export function savedState({
  template,
  resumed,
}: Pick<MachineSpec, 'template' | 'resumed'>): string | undefined {
  return typeof template === 'object' ? template.state : resumed?.state
}

/** Whether it gets devices that what was saved has not, and only then. */
export const isClone = ({ template }: Pick<MachineSpec, 'template'>): boolean => typeof template === 'object'
