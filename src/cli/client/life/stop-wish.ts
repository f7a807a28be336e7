/** Wishes to stop a container. A user's command notes its wish before it ends the container, so that the policy does not restart it. */
import { mayBeAlive, ownProcess } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, isThere, readRecord, updateRecord } from '../record.ts'
import { observe } from '../status.ts'
import { answerStatus } from '../task.ts'

/**
 * The wish of one command. Several commands may handle the same container, and each takes back only its own wish. The wish of a command that was
 * killed does not count.
 */
export interface StopWish {
  /** Notes for good that the container is ending, whatever becomes of this process. */
  fulfil(): void
  /**
   * Takes the wish back after the command failed with `error`. A container that continues keeps its policy, but a signal that was not answered
   * in time may still arrive, so then the wish stays.
   */
  takeBack(error: unknown): Promise<void>
}

/** Notes the wish. A container without a policy needs none. */
export function wishStop({ stateDir }: Settings, record: ContainerRecord): StopWish {
  const { namespace, id, restart } = record
  if (restart === undefined) return { fulfil: () => {}, takeBack: async () => {} }
  const wish = { id: crypto.randomUUID(), by: ownProcess() }
  const othersOf = ({ stopWishes = [] }: ContainerRecord) =>
    stopWishes.filter((other) => other.id !== wish.id && mayBeAlive(other.by))
  const update = (change: (others: ReturnType<typeof othersOf>) => Partial<ContainerRecord>) =>
    updateRecord(stateDir, namespace, id, (before) => change(othersOf(before)), record)
  let isFulfilled = false
  const fulfil = () => {
    if (isFulfilled) return
    update((stopWishes) => ({ stopWanted: true, stopWishes }))
    isFulfilled = true
  }
  update((others) => ({ stopWishes: [...others, wish] }))
  return {
    fulfil,
    async takeBack(error) {
      if (isFulfilled || !isThere(stateDir, record)) return
      try {
        if (answerStatus(error) === 'deadline_exceeded') return fulfil()
        const { status } = await observe(readRecord(stateDir, namespace, id))
        if (status === 'stopped' || status === 'dead') fulfil()
        else update((stopWishes) => ({ stopWishes }))
      } catch {
        // The container may be removed meanwhile. The caller reports `error`.
      }
    },
  }
}
