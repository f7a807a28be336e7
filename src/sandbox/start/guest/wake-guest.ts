/** The first words with a guest that goes on from where it was saved: it has its sandbox already. */
import { type AgentFacts, askAgent } from '../../../agent/agent-facts.ts'
import type { AgentConnection } from '../../../agent/connection.ts'
import { type Beginning, whileGuestLives } from './guest-up.ts'
import { renewGuest } from './start-guest.ts'

/** Gives it the host's time and randomness, before anything of its container runs. @throws those of {@link whileGuestLives}. */
export function wakeGuest({
  agent,
  end,
}: Pick<Beginning, 'end'> & { readonly agent: AgentConnection }): Promise<AgentFacts> {
  const wake = async () => {
    await renewGuest(agent.agent)
    return askAgent(agent.agent)
  }
  return whileGuestLives(wake(), { agent, end })
}
