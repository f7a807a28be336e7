/** Signals that a user sends to a container. Those that are meant to end it switch off its restart policy. */
import type { Settings } from '../../settings.ts'
import { isExternal } from '../external.ts'
import { type ContainerRecord, isThere, readRecord } from '../record.ts'
import { wishStop } from './stop-wish.ts'

/** INT, QUIT, KILL and TERM. */
const ending: ReadonlySet<number> = new Set([2, 3, 9, 15])

/** Sends the signal by `send`. If that fails, the policy stays. Resolves to whether the signal is meant to end the container. */
export async function sendAsPerson(
  settings: Settings,
  record: ContainerRecord,
  signal: number,
  send: () => Promise<void>,
): Promise<boolean> {
  if (!ending.has(signal) && signal !== record.stopSignal) {
    await send()
    return false
  }
  // The wish is noted before the signal is sent, because the monitor may see the end at once.
  const wish = wishStop(settings, latest(settings, record))
  try {
    await send()
  } catch (error) {
    await wish.takeBack(error)
    throw error
  }
  wish.fulfil()
  return true
}

/** Reads the record again, because `update` may have changed the policy meanwhile. */
function latest({ stateDir }: Settings, record: ContainerRecord): ContainerRecord {
  if (isExternal(record) || !isThere(stateDir, record)) return record
  return readRecord(stateDir, record.namespace, record.id)
}
