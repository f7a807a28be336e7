/** Whether the guest is the user's own, with its own agent, or comes from `kata-ts guest build`. */
import type { HypervisorConfig } from '../config.ts'
import { hasKey } from '../keys.ts'

/**
 * With an initrd of the user's, or with kernel and image, nothing of our agent is in the guest; a kernel or an image alone
 * goes with our initrd.
 */
export function hasOwnGuest({
  kernel,
  initrd,
  image,
}: Pick<HypervisorConfig, 'kernel' | 'initrd' | 'image'>): boolean {
  return initrd !== '' || (kernel !== '' && image !== '')
}

/**
 * `auto` decided: Kata's agent speaks nothing but vsock, ours speaks virtio-serial, by which a guest reaches less. A
 * VMM without the key has a vsock of its own, and needs none of the host's.
 */
export function channelOf(
  hypervisor: Pick<HypervisorConfig, 'driver' | 'agentChannel' | 'kernel' | 'initrd' | 'image'>,
): HypervisorConfig['agentChannel'] {
  const { agentChannel, driver } = hypervisor
  if (!hasKey(driver, 'agentChannel')) return 'serial'
  return agentChannel === 'auto' && !hasOwnGuest(hypervisor) ? 'serial' : agentChannel
}
