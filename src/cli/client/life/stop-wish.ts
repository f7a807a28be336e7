/** What a person's command that ends a container notes of that before it does so, so that the container's policy does not start it again. */
import { mayBeAlive, ownProcess } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, isThere, readRecord, updateRecord } from '../record.ts'
import { observe } from '../status.ts'
import { answerStatus } from '../task.ts'

/**
 * One wish of one command. Several commands may be at the same container, so each takes back only its own wish; that of a command that is killed
 * counts no more.
 */
export interface StopWish {
  /** The container is ending by it: from now on that is noted, whatever becomes of this process. */
  fulfil(): void
  /** The command failed with `error`. A container that goes on keeps its policy. A signal that was not answered in time may still come. */
  takeBack(error: unknown): Promise<void>
}

/** Notes the wish; a container without a policy needs none. */
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
        // It may be removed meanwhile. The person is told of `error`.
      }
    },
  }
}
