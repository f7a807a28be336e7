/** Network cards: each is added with its taps' descriptors in one message, before the boot or while the machine runs. */
import type { NicAttachment } from '../../vmm.ts'

/** NetConfig of its API. */
export interface NetConfig {
  readonly id: string
  readonly mac: string
  readonly num_queues: number
  readonly queue_size: number
}

/**
 * A queue each way for every tap. Packets are moved by the VMM: it cannot be handed vhost-net. It is not told the MTU: it
 * would set it on the tap, for which it has neither the right nor the namespace; the agent sets that of the guest.
 */
export function netConfig({ id, mac, taps }: NicAttachment): NetConfig {
  return { id, mac, num_queues: 2 * taps.length, queue_size: 256 }
}
