/** Reports containers in which the guest's kernel ran out of memory. */
import type { AgentClient } from '../../agent/client.ts'
import { type Clock, realClock } from '../../time.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'

/** Pause after an answer without news, milliseconds. Kata pauses as long after an error. */
const pauseMs = 1000
/** How many answers may repeat an event before the pause. During the pause, another container's event is not heard, and its end may be reported first. */
const mostRepeated = 10

export interface OomWatch {
  /** Whether the pod has a container of this id. A hostile guest may name any, including another pod's. */
  isKnown(containerId: string): boolean
  onOom(containerId: string): void
  /** Default: real time, milliseconds. */
  readonly time?: Clock
}

/**
 * Asks the guest for events, one at a time, and resolves when the guest is gone. An event is dropped if its container is unknown, or had
 * another event less than a second ago. The next request then waits for a second; for repeated events, only after several of them.
 */
export async function watchOom(
  agent: Pick<AgentClient, 'getOOMEvent'>,
  { isKnown, onOom, time = realClock }: OomWatch,
): Promise<void> {
  /** When each container was last reported, for those reported within the last pause. */
  const told = new Map<string, number>()
  const isNews = (containerId: string): boolean => {
    const now = time.now()
    // A pod that lives for months creates many containers: the map must not grow with them.
    for (const [id, at] of told) if (now - at >= pauseMs) told.delete(id)
    if (told.has(containerId)) return false
    told.set(containerId, now)
    return true
  }
  let repeated = 0
  for (;;) {
    try {
      const { containerId } = await agent.getOOMEvent({})
      if (isKnown(containerId)) {
        if (isNews(containerId)) {
          onOom(containerId)
          continue
        }
        if (++repeated < mostRepeated) continue
      }
    } catch (error) {
      // Any other error means that the connection is over, which other code reports.
      if (!(error instanceof TtrpcError)) return
    }
    repeated = 0
    await time.sleep(pauseMs)
  }
}
