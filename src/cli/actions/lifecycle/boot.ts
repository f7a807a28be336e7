/** `start --boot`: the containers that were up when the host went down, and those that always are. */
import { startsAtBoot } from '../../client/life/restart-policy.ts'
import { isStopWanted } from '../../client/life/restarts.ts'
import { type ContainerRecord, listNamespaces, readableRecords } from '../../client/record.ts'
import { wasSaved } from '../../client/suspended.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { startOne, turnMs } from './start.ts'

/** One after the other: a machine that boots takes all of a processor. One that cannot be started is told, and keeps none of the others. */
export async function startAtBoot(settings: Settings): Promise<number> {
  const done: { namespace: string; name: string }[] = []
  let exitCode = 0
  for (const record of allRecords(settings)) {
    const { namespace, id: name, restart } = record
    if (!startsAtBoot(restart, isStopWanted(record)) || isSuspended(settings, record)) continue
    try {
      await startOne({ ...settings, namespace }, name, turnMs)
      done.push({ namespace, name })
    } catch (error) {
      tellError(settings, error)
      exitCode = 1
    }
  }
  if (settings.format === 'json') settings.print(`${JSON.stringify(done)}\n`)
  else settings.print(done.map(({ namespace, name }) => `${namespace}/${name}\n`).join(''))
  return exitCode
}

/** A person has suspended it, and has it go on. */
const isSuspended = (settings: Settings, record: ContainerRecord): boolean =>
  record.status === 'suspended' || wasSaved(settings, record)

function allRecords(settings: Settings): ContainerRecord[] {
  const { stateDir } = settings
  return listNamespaces(stateDir).flatMap((namespace) =>
    readableRecords(stateDir, namespace, (error) => tellError(settings, error)),
  )
}
