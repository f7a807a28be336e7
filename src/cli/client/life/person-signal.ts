/** Signals that a person sends to a container: what is meant to end it switches its restart policy off. */
import type { Settings } from '../../settings.ts'
import { isExternal } from '../external.ts'
import { type ContainerRecord, isThere, readRecord } from '../record.ts'
import { wishStop } from './stop-wish.ts'

/** INT, QUIT, KILL and TERM. */
const ending: ReadonlySet<number> = new Set([2, 3, 9, 15])

/** Sends it by `send`. One that does not get to the container leaves it its policy. Resolves to whether it is meant to end the container. */
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
  // Before it is sent: the monitor may see the end at once.
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

/** `update` may have given it another policy since it was found. */
function latest({ stateDir }: Settings, record: ContainerRecord): ContainerRecord {
  if (isExternal(record) || !isThere(stateDir, record)) return record
  return readRecord(stateDir, record.namespace, record.id)
}
