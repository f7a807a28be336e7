/** Events of the guest's kernel running out of memory inside a container. */
import type { AgentClient } from '../agent/client.ts'

/** Asks the guest for one event after the other; resolves when it has gone. */
export async function watchOom(
  agent: Pick<AgentClient, 'getOOMEvent'>,
  onOom: (containerId: string) => void,
): Promise<void> {
  try {
    for (;;) {
      const { containerId } = await agent.getOOMEvent({})
      if (containerId !== '') onOom(containerId)
    }
  } catch {
    // The connection is over, which others notice and tell.
  }
}
