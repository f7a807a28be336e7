/** What a machine of QEMU is made of, for saved ones (../create.ts). */
import type { Config } from '../../config/config.ts'
import type { MachineSpec, TemplateShape } from '../vmm.ts'
import { hostFacts } from './host-facts.ts'
import { qemuCommandLine } from './settings/command-line.ts'
import { memorySizes } from './settings/memory.ts'

/** @throws KataError VMM_OPTION_INVALID. */
export function qemuTemplateShape(
  machine: MachineSpec,
  { hypervisor }: Pick<Config, 'hypervisor'>,
): TemplateShape {
  const facts = hostFacts(hypervisor.path, machine.initrd)
  const settings = { ...hypervisor, ...facts }
  const { args } = qemuCommandLine({ ...machine, template: 'make' }, settings)
  const guest = machine.initrd === undefined ? [machine.kernel] : [machine.kernel, machine.initrd]
  const { maxMiB: mostMemoryMiB } = memorySizes(machine, settings)
  return { args, files: [hypervisor.path, ...guest, ...facts.firmwareDirs], mostMemoryMiB }
}
