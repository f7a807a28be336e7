/** The first words with a guest that goes on from where it was saved: it has its sandbox already. */
import { type AgentFacts, askAgent } from '../../../agent/agent-facts.ts'
import type { AgentConnection } from '../../../agent/connection.ts'
import type { NetworkFacts } from '../../../network/facts.ts'
import { tellNetwork } from '../../guest/guest-network.ts'
import { type Beginning, whileGuestLives } from './guest-up.ts'
import { renewGuest } from './start-guest.ts'

export interface WakingGuest {
  readonly network: NetworkFacts
  /** Hardware addresses that its cards had when it was saved, in the order of the network's interfaces. */
  readonly macs: readonly string[]
}

/**
 * Gives it the host's time, randomness and a network, before anything of its container runs. No other end of its connections is there any more,
 * and the process that waits for one is told so.
 *
 * @throws those of {@link whileGuestLives}.
 */
export function wakeGuest(
  { agent: connection, end }: Pick<Beginning, 'end'> & { readonly agent: AgentConnection },
  { network, macs }: WakingGuest,
): Promise<AgentFacts> {
  const { agent } = connection
  const wake = async () => {
    await renewGuest(agent)
    if (macs.length > 0) {
      await agent.abortConnections({})
      await tellNetwork(agent, network, { former: macs })
    }
    return askAgent(agent)
  }
  return whileGuestLives(wake(), { agent: connection, end })
}
