/** The memory of a container that is paused: the guest frees what it can, and its balloon gives that back to the host. */
import type { AgentClient } from '../../agent/client.ts'
import type { Logger } from '../../log.ts'

/** Never throws: a container is paused even if its memory cannot be returned. */
export async function giveMemoryBack(
  agent: Pick<AgentClient, 'reclaimMemory'>,
  containerId: string,
  log: Logger,
): Promise<void> {
  try {
    await agent.reclaimMemory({ containerId })
  } catch (error) {
    log.warn('the memory of a paused container was not given back', { container: containerId, error })
  }
}
