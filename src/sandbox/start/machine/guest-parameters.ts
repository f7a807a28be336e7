/** Kernel parameters of the guest that follow from the configuration, whichever the VMM. */
import type { Config } from '../../../config/config.ts'
import { hasOwnGuest } from '../../../config/kata/own-guest.ts'

/**
 * What Kata's runtime tells every guest, and Kata's agent or its images need: one cgroup hierarchy, version 2 (the agent
 * powers off without it where the kernel lacks a controller of version 1), the units of an image with systemd, and network
 * cards by the kernel's names.
 */
const katas: readonly string[] = [
  'cgroup_no_v1=all',
  'systemd.unified_cgroup_hierarchy=1',
  'systemd.unit=kata-containers.target',
  'systemd.mask=systemd-networkd.service',
  'systemd.mask=systemd-networkd.socket',
  'net.ifnames=0',
]

/** Later ones win: the configured ones take all others back, and `loglevel` takes back `quiet`. */
export function guestParameters({ hypervisor, agent }: Pick<Config, 'hypervisor' | 'agent'>): string[] {
  return [
    ...(hasOwnGuest(hypervisor) ? katas : []),
    ...(hypervisor.enableDebug ? ['loglevel=7'] : []),
    ...(agent.enableDebug ? ['agent.log=debug'] : []),
    ...hypervisor.kernelParams,
  ]
}
