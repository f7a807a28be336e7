/** Machines that are saved, and those that begin with what was saved. */
import type { MachineSpec, SavedFiles, VmSpec } from '../../vmm.ts'

/** What a clone may be given by hot-plug: two shares, and two network cards. */
export const latePorts = 4

/** Where QEMU sees its guest's memory in its jail: that of a template in the making, or the one that a clone maps. */
export const memoryFile = '/boot/memory'

/** Of a template in the making. It is in memory, as the directory is. */
export const memoryPath = (privateDir: string): string => `${privateDir}/memory`

/** The files that the machine's guest goes on from; undefined for one that boots. */
export function savedFiles({
  template,
  resumed,
}: Pick<MachineSpec, 'template' | 'resumed'>): SavedFiles | undefined {
  return typeof template === 'object'
    ? template
    : resumed && { state: resumed.state, recorded: resumed.recorded }
}

/** The file that is the guest's memory, and whether it is the machine's own to write; undefined for a machine whose memory has no name. */
export function memoryFileOf(
  spec: Pick<MachineSpec, 'template' | 'resumed'> & Partial<Pick<VmSpec, 'privateDir'>>,
): { readonly path: string; readonly access: 'read' | 'read-write' } | undefined {
  if (spec.template === 'make-apart') return { path: memoryPath(spec.privateDir ?? ''), access: 'read-write' }
  const path = savedFiles(spec)?.memory
  return path === undefined ? undefined : { path, access: 'read' }
}

/** Whether it gets devices that what was saved has not, and only then. */
export const isClone = ({ template }: Pick<MachineSpec, 'template'>): boolean => typeof template === 'object'

/** Whether shares and network cards are plugged into ports, in place of being there from the start. */
export const plugsLate = (spec: Pick<MachineSpec, 'template' | 'resumed'>): boolean =>
  isClone(spec) || spec.resumed?.wasClone === true

/** Whether it has ports for that. */
export const hasLatePorts = (spec: Pick<MachineSpec, 'template' | 'resumed'>): boolean =>
  spec.template !== undefined || plugsLate(spec)
