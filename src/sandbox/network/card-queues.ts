import type { Config } from '../../config/config.ts'

/** Pairs of queues that each network card of a machine has: more than processors are of no use. */
export const cardQueues = ({
  networkQueues,
  defaultVcpus,
}: Pick<Config['hypervisor'], 'networkQueues' | 'defaultVcpus'>): number =>
  Math.min(networkQueues, Math.ceil(defaultVcpus))
