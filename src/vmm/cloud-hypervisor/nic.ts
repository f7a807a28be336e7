/** Network cards: each is added with its taps' descriptors in one message, before the boot or while the machine runs. */
import type { NicAttachment } from '../vmm.ts'

/** NetConfig of its API. */
export interface NetConfig {
  readonly id: string
  readonly mac: string
  readonly mtu: number
  readonly num_queues: number
  readonly queue_size: number
}

/** A queue each way for every tap. Packets are moved by the VMM: it cannot be handed vhost-net. */
export function netConfig({ id, mac, mtu, taps }: NicAttachment): NetConfig {
  return { id, mac, mtu, num_queues: 2 * taps.length, queue_size: 256 }
}
