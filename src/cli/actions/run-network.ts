/** The options of `run` that are about the network, taken together. */
import type { NetworkWishes } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { containerLink } from '../../network/uplink/addresses.ts'
import type { RunFlags } from '../commands/run.ts'
import { ownNetwork, parseNetwork } from '../parse/network.ts'
import { parsePublish } from '../parse/publish.ts'

export interface RunNetwork {
  /** A namespace of the host's, which its owner fills. */
  readonly netns?: string
  /** A network that the shim makes. */
  readonly wishes?: NetworkWishes
  /** The name server of that network. */
  readonly nameServer?: string
}

/** Who publishes a port wants a network. @throws KataError OPTION_INVALID, OPTION_CONFLICT, NETNS_INVALID. */
export function networkOf({ network, publish = [] }: Pick<RunFlags, 'network' | 'publish'>): RunNetwork {
  const ports = parsePublish(publish)
  const choice = parseNetwork(network ?? (ports.length > 0 ? ownNetwork : 'none'))
  if (choice.kind === 'own') return { wishes: { ports }, nameServer: containerLink.gateway }
  if (ports.length > 0)
    throw new KataError('OPTION_CONFLICT', {
      options: `--publish and --network ${network}`,
      reason: 'ports are published for a network that kata-ts makes',
      remedy: 'Use --network bridge.',
    })
  return choice.kind === 'namespace' ? { netns: choice.path } : {}
}
