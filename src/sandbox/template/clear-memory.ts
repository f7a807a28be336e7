/** What a template's guest had in memory at its boot and has given up. */
import type { AgentConnection } from '../../agent/connection.ts'

/** Fills it with zeros, which are not saved and take no memory of a clone. @throws TtrpcError with the guest's reason; KataError AGENT_DIED. */
export async function clearFreeMemory({ agent }: Pick<AgentConnection, 'agent'>): Promise<void> {
  await agent.clearFreeMemory({})
}
