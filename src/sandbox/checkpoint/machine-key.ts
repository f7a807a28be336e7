/** All that a machine must have in common with one that was saved to go on from there. */
import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Config } from '../../config/config.ts'
import { templateShape } from '../../vmm/create.ts'
import type { MadeMachine } from '../sandbox-parts.ts'
import { describeGuest } from '../start/machine/machine.ts'
import { templateKey } from '../template/template-key.ts'

/** 64 hexadecimal digits; undefined for a VMM that saves no machines. @throws KataError VMM_OPTION_INVALID. */
export function machineKey(
  config: Config,
  { assets, accelerator, plan }: Pick<MadeMachine, 'assets' | 'accelerator' | 'plan'>,
): string | undefined {
  const shape = templateShape(describeGuest({ id: 'checkpoint', config, assets, plan, accelerator }), config)
  const host = accelerator.accelerator === 'kvm' ? `${release()} ${processor()}` : 'emulated'
  return shape && templateKey(shape, host)
}

/** The host's processor, which a guest under KVM has seen: model, microcode and features. */
function processor(): string {
  const [first = ''] = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')
  return first
    .split('\n')
    .filter((line) => /^(vendor_id|cpu family|model|stepping|microcode|flags)\b/.test(line))
    .join('\n')
}
