/** Brings a guest to rest, saves its machine, and lets it go on. */
import { KataError } from '../../errors.ts'
import { sleep } from '../../time.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import { type Saveable, type SaveRequest, saveMachine } from './save-machine.ts'

/** How long what was asked of the guest may take to be answered, milliseconds. */
const answersMs = 30_000
/** How long the guest may take to notice that its connection is gone, milliseconds. One that has not notices it when it goes on. */
const noticeMs = 300
/** How long it may take to answer again, milliseconds. */
const returnMs = 30_000

/** The container stands still first, so that nothing of it is on its way to us. @throws as {@link saveMachine}; KataError CHECKPOINT_REFUSED, AGENT_UNREACHABLE. */
export async function saveAtRest(
  parts: Pick<SandboxParts, 'id' | 'agent' | 'vmm' | 'disks' | 'machine' | 'log'>,
  saved: Saveable,
  request: SaveRequest,
): Promise<void> {
  const { id, agent: connection, vmm } = parts
  const { agent } = connection
  const { signal } = request
  const ids = { containerId: saved.container }
  await agent.pauseContainer(ids)
  let isOver = false
  try {
    if (!(await connection.rest({ timeoutMs: answersMs, signal })))
      throw new KataError('CHECKPOINT_REFUSED', { id, reason: 'its guest is busy with something else' })
    try {
      await sleep(noticeMs, signal)
      await saveMachine(parts, saved, request)
      isOver = request.ends
    } finally {
      if (!isOver) {
        await vmm.goOn?.()
        await connection.goOn({ timeoutMs: returnMs, signal })
      }
    }
  } finally {
    if (!isOver) await agent.resumeContainer(ids)
  }
}
