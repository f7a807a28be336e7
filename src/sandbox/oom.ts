/**
 * Events of the guest's kernel running out of memory inside a container. The Task service tells of them by events alone, so
 * the shim leaves a mark beside the container's bundle too, where our command line looks.
 */
import { existsSync, writeFileSync } from 'node:fs'
import type { AgentClient } from '../agent/client.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** After an answer that is an error, milliseconds; Kata's. */
const retryMs = 1000

/** Asks the guest for one event after the other; resolves when it has gone. */
export async function watchOom(
  agent: Pick<AgentClient, 'getOOMEvent'>,
  onOom: (containerId: string) => void,
  { waitMs = retryMs } = {},
): Promise<void> {
  for (;;) {
    try {
      const { containerId } = await agent.getOOMEvent({})
      if (containerId !== '') onOom(containerId)
    } catch (error) {
      // Without an answer the connection is over, which others notice and tell.
      if (!(error instanceof TtrpcError)) return
      await Bun.sleep(waitMs)
    }
  }
}

const markIn = (bundle: string): string => `${bundle}/oom-killed`

/** Notes that a process of the container of `bundle` was killed for want of memory. */
export function markOomKilled(bundle: string): void {
  writeFileSync(markIn(bundle), '', { mode: 0o600 })
}

export function wasOomKilled(bundle: string): boolean {
  return existsSync(markIn(bundle))
}
