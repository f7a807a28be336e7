import { KataError } from '../../../errors.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { whileRestarting } from '../../client/life/restart-note.ts'
import type { ContainerRecord } from '../../client/record.ts'
import { catchSignals, Interrupted } from '../../client/signals.ts'
import { observe } from '../../client/status.ts'
import type { StopFlags } from '../../commands/lifecycle/stop.ts'
import { loadForPerson } from '../../configuration.ts'
import type { Settings } from '../../settings.ts'
import { findRecord, forEachName } from '../containers.ts'
import { startOne, turnMs } from './start.ts'
import { type StopWishes, stopOne, stopWishes } from './stop.ts'

export async function restart(
  settings: Settings,
  flags: StopFlags,
  names: readonly string[],
): Promise<number> {
  const wishes = stopWishes(flags)
  return forEachName(settings, names, async (name) => {
    const record = findRecord(settings, name)
    if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'restarted' })
    const { status } = await observe(record)
    // It would be removed between the two.
    if (record.autoRemove) throw new KataError('CONTAINER_NOT_ENDED', { name, status })
    // With a configuration that has gone or is broken it would stay stopped. The shim tells its warnings.
    loadForPerson({ ...settings, tell: () => {} }, record.configFile)
    await whileRestarting(settings, record, async () => {
      // What died needs no stop.
      if (status !== 'dead') await stopFirst(settings, record, wishes)
      // It would stay stopped.
      await startOne(settings, name, turnMs)
    })
    noteEvent(settings, record, 'restart')
  })
}

/** Stops it. Who breaks that off is told that nobody starts it again. @throws Interrupted; as {@link stopOne}. */
async function stopFirst(settings: Settings, record: ContainerRecord, wishes: StopWishes): Promise<void> {
  const signals = catchSignals()
  try {
    await Promise.race([stopOne(settings, record, wishes), signals.interrupted])
  } catch (error) {
    const { id } = record
    if (error instanceof Interrupted)
      settings.tell(
        `container ${id} may have been asked to end, and is not started again: \`kata-ts start ${id}\` does that`,
      )
    throw error
  } finally {
    signals.release()
  }
}
