/** How files of the host come to a pod. */
import type { Config } from '../../config/config.ts'
import { vmmFeatures } from '../../vmm/create.ts'
import type { VmmFeatures } from '../../vmm/vmm.ts'

/** How the VMM gets to the share's daemon; `none` where the configuration wants no share, or the VMM can have none. */
export function shareWay(config: Pick<Config, 'hypervisor'>): VmmFeatures['share'] {
  return config.hypervisor.sharedFs === 'none' ? 'none' : vmmFeatures(config).share
}
