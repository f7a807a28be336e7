/** Events of the guest's kernel running out of memory inside a container. */
import type { AgentClient } from '../../agent/client.ts'
import { type Clock, realClock } from '../../time.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'

/** Pause after an answer without news, milliseconds; Kata's pause after an error. */
const pauseMs = 1000
/** So many answers may repeat what was told, before the pause: meanwhile nobody hears of another container, whose end is told next. */
const mostRepeated = 10

export interface OomWatch {
  /** Whether the pod has a container of this id: a guest may name any, those of other pods included. */
  isKnown(containerId: string): boolean
  onOom(containerId: string): void
  /** Default: real time, milliseconds. */
  readonly time?: Clock
}

/**
 * Asks the guest for one event after the other; resolves when the guest is gone. An event is dropped when its container is
 * unknown, or had another event less than a second ago. The next question then waits for a second, after some events of the latter sort.
 */
export async function watchOom(
  agent: Pick<AgentClient, 'getOOMEvent'>,
  { isKnown, onOom, time = realClock }: OomWatch,
): Promise<void> {
  /** When each was told of last, if that is less than a pause ago. */
  const told = new Map<string, number>()
  let repeated = 0
  for (;;) {
    try {
      const { containerId } = await agent.getOOMEvent({})
      const now = time.now()
      if (isKnown(containerId)) {
        // A pod that lives for months makes one container after the other.
        for (const [id, at] of told) if (now - at >= pauseMs) told.delete(id)
        const isNews = !told.has(containerId)
        if (isNews) {
          told.set(containerId, now)
          onOom(containerId)
        }
        if (isNews || ++repeated < mostRepeated) continue
      }
    } catch (error) {
      // Without an answer the connection is over, which other code reports.
      if (!(error instanceof TtrpcError)) return
    }
    repeated = 0
    await time.sleep(pauseMs)
  }
}
