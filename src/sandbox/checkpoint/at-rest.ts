/** Brings a guest to rest, saves its machine, and lets it go on. */
import { KataError } from '../../errors.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import { type Saveable, type SaveRequest, saveMachine } from './save-machine.ts'

/** How long what was asked of the guest may take to be answered, milliseconds. */
const answersMs = 30_000

/**
 * Files are on their disk first, for whoever gives up the memory. Then the container stands still, so that nothing of it is on its way to us.
 *
 * @throws as {@link saveMachine}; KataError CHECKPOINT_REFUSED.
 */
export async function saveAtRest(
  parts: Pick<SandboxParts, 'id' | 'agent' | 'vmm' | 'disks' | 'machine' | 'log'>,
  saved: Saveable,
  request: SaveRequest,
): Promise<void> {
  const { id, agent: connection, vmm } = parts
  const { agent } = connection
  const { signal } = request
  const ids = { containerId: saved.container }
  await agent.syncFileSystems({})
  await agent.pauseContainer(ids)
  let isOver = false
  try {
    if (!(await connection.rest({ timeoutMs: answersMs, signal })))
      throw new KataError('CHECKPOINT_REFUSED', { id, reason: 'its guest is busy with something else' })
    try {
      await saveMachine(parts, saved, request)
      isOver = request.ends
    } finally {
      if (!isOver) {
        await vmm.goOn?.()
        connection.goOn()
      }
    }
  } finally {
    if (!isOver) await agent.resumeContainer(ids)
  }
}
