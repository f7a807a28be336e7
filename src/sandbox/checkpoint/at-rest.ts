/** Brings a guest to rest, saves its machine, and lets it go on. */
import { KataError } from '../../errors.ts'
import type { Vmm } from '../../vmm/vmm.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import { tellTime } from '../start/guest/start-guest.ts'
import { type Saveable, type SaveRequest, saveMachine } from './save-machine.ts'

/** How long what was asked of the guest may take to be answered, milliseconds. */
const answersMs = 30_000
/** How often a VMM is asked to let its machine go on that leaves that without an answer: a minute for QEMU. */
const mostAsked = 6

type Parts = Pick<SandboxParts, 'id' | 'agent' | 'vmm' | 'disks' | 'machine' | 'end' | 'log'>

/**
 * Files are on their disk first, in case the memory is given up. Then the container stands still, so that nothing of it is on its way to us.
 *
 * @throws as {@link saveMachine}, {@link Vmm.goOn}; KataError CHECKPOINT_REFUSED.
 */
export async function saveAtRest(parts: Parts, saved: Saveable, request: SaveRequest): Promise<void> {
  const { id, agent: connection, log } = parts
  const { agent } = connection
  const { signal } = request
  const ids = { containerId: saved.container }
  await agent.syncFileSystems({})
  let isAwake = true
  try {
    // A guest that answers too late has paused it all the same.
    await agent.pauseContainer(ids)
    if (!(await connection.rest({ timeoutMs: answersMs, signal })))
      throw new KataError('CHECKPOINT_REFUSED', { id, reason: 'its guest is busy with something else' })
    isAwake = false
    let isOver = false
    try {
      await saveMachine(parts, saved, request)
      isOver = request.ends
    } finally {
      if (!isOver) {
        await wake(parts)
        isAwake = true
      }
    }
  } catch (error) {
    // Why it was not saved is what the client has to know first.
    if (isAwake)
      await agent
        .resumeContainer(ids)
        .catch((late) => log.error('the container may stand still', { error: late }))
    throw error
  }
  if (isAwake) await agent.resumeContainer(ids)
}

/** A VMM that does not answer in its time may wait for a disk that is busy, most of all with what was saved: it is asked again. */
async function goOn(vmm: Pick<Vmm, 'goOn'>): Promise<void> {
  for (let left = mostAsked; ; left--)
    try {
      return await vmm.goOn?.()
    } catch (error) {
      const isLate = error instanceof KataError && error.code === 'VMM_COMMAND_TIMEOUT'
      if (!isLate || left === 1) throw error
    }
}

/** Lets the machine go on, and the calls to it. One that cannot is given up: its guest answers nobody again. */
async function wake({ vmm, agent, end, log }: Parts): Promise<void> {
  try {
    await goOn(vmm)
  } catch (error) {
    end.tell('condemned', 'it did not go on after it had been saved')
    throw error
  } finally {
    agent.goOn()
  }
  // Its clock has stood still with it. A container that was not told runs all the same.
  await tellTime(agent.agent).catch((error) => log.warn('the clock of the guest is late', { error }))
}
