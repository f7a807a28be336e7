/** The options of `run` that are about the network, taken together. */
import type { NetworkWishes } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { containerLink } from '../../network/uplink/addresses.ts'
import type { RunFlags } from '../commands/run.ts'
import { parseAllow } from '../parse/allow.ts'
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

type Flags = Pick<RunFlags, 'network' | 'publish' | 'allow' | 'denyAll'>

/** Who publishes a port, or says what may be reached, wants a network. @throws KataError OPTION_INVALID, OPTION_CONFLICT, NETNS_INVALID. */
export function networkOf({ network, publish = [], allow = [], denyAll }: Flags): RunNetwork {
  const ports = parsePublish(publish)
  const allowed = allow.map(parseAllow)
  const isLimited = denyAll === true || allowed.length > 0
  const options = [
    ...(ports.length > 0 ? ['--publish'] : []),
    ...(allowed.length > 0 ? ['--allow'] : []),
    ...(denyAll === true ? ['--deny-all'] : []),
  ]
  const choice = parseNetwork(network ?? (options.length > 0 ? ownNetwork : 'none'))
  if (choice.kind === 'own')
    return { wishes: { ports, ...(isLimited ? { allowed } : {}) }, nameServer: containerLink.gateway }
  if (options.length > 0)
    throw new KataError('OPTION_CONFLICT', {
      options: `${options.join(', ')} and --network ${network}`,
      reason: 'ports and limits are those of a network that kata-ts makes',
      remedy: 'Use --network bridge.',
    })
  return choice.kind === 'namespace' ? { netns: choice.path } : {}
}
