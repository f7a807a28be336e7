import { SIGKILL } from '../../../linux/processes/signal.ts'
import { within } from '../../../time.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { ownerCleansUp } from '../../client/life/owner.ts'
import { sendAsPerson } from '../../client/life/person-signal.ts'
import type { ContainerRecord } from '../../client/record.ts'
import type { TaskClient } from '../../client/task.ts'
import { thaw } from '../../client/thaw.ts'
import { checkName } from '../../parse/name.ts'
import { parseSignal } from '../../parse/signal.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'

/** How long the end of what was killed is waited for, milliseconds, as in docker. */
const patienceMs = 10_000

export async function kill(
  settings: Settings,
  { signal, all, execId: givenId }: { signal: string; all: boolean; execId?: string | undefined },
  names: readonly string[],
): Promise<number> {
  const number = parseSignal(signal)
  // An empty one is a variable that nobody set, and does not mean the whole container.
  const execId = givenId === undefined ? '' : checkName(givenId, 'exec')
  return forEachName(settings, names, async (name) => {
    const record = findRecord(settings, name)
    const task = await connectRunning(record)
    try {
      if (execId !== '') return await task.kill(number, { all, execId })
      const ends = await sendAsPerson(settings, record, number, () => task.kill(number, { all }))
      if (number !== SIGKILL && ends) await thaw(task)
      noteEvent(settings, record, 'kill', { signal: String(number) })
      if (number === SIGKILL && !isExternal(record))
        await within(untilEnded(settings, record, task), patienceMs)
    } finally {
      task.close()
    }
  })
}

/** `kill` and then `rm`, or `start`, is one line of a script: they find it ended, and cleaned up after. */
async function untilEnded(settings: Settings, record: ContainerRecord, task: TaskClient): Promise<void> {
  try {
    await task.wait()
  } catch (error) {
    // Its shim has gone, or the wait was given up.
    settings.log.debug('the end of what was killed was not seen', { name: record.id, error })
  }
  await ownerCleansUp(settings, record)
}
