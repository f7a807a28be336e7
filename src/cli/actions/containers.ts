/** Finding containers by name, and doing one thing to several of them. */
import { KataError } from '../../errors.ts'
import { findExternal } from '../client/external.ts'
import { type ContainerRecord, readRecord } from '../client/record.ts'
import { type Observation, observe } from '../client/status.ts'
import { TaskClient } from '../client/task.ts'
import { exitCodeOfCommand } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import type { Settings } from '../settings.ts'

/**
 * A container of ours by its name, or one of another client by its id.
 *
 * @throws KataError CONTAINER_NOT_FOUND, CONTAINER_AMBIGUOUS, RECORD_UNREADABLE.
 */
export function findRecord(settings: Settings, name: string): ContainerRecord {
  try {
    return readRecord(settings.stateDir, settings.namespace, name)
  } catch (error) {
    const unknown = error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND'
    const external = unknown ? findExternal(settings, name) : undefined
    if (external === undefined) throw error
    return external
  }
}

/**
 * Connects to the shim of a container that runs, or is in one of these states.
 *
 * @throws KataError CONTAINER_NOT_FOUND, CONTAINER_NOT_RUNNING.
 */
export async function connectRunning(
  record: ContainerRecord,
  states: readonly Observation['status'][] = ['running', 'paused'],
  metadata: Readonly<Record<string, string>> = {},
): Promise<TaskClient> {
  const { status }: Observation = await observe(record)
  if (!states.includes(status) || record.address === undefined)
    throw new KataError('CONTAINER_NOT_RUNNING', { name: record.id, status })
  return TaskClient.connect(record.address, record.namespace, record.id, metadata)
}

/**
 * Does `work` for every name at the same time and prints the names for which it was done; an error of one does not
 * keep the others from being done. Returns the exit code, the highest of all. Where one `mayBeMissing`, that is told and is no failure.
 * A name that is given twice is done once: two at the same time would be in each other's way.
 */
export async function forEachName(
  settings: Settings,
  names: readonly string[],
  work: (name: string) => Promise<void>,
  { mayBeMissing = false } = {},
): Promise<number> {
  const distinct = [...new Set(names)]
  // A function that throws before its first promise is one that failed, too.
  const results = await Promise.allSettled(distinct.map(async (name) => work(name)))
  const failed = new Set<string>()
  let exitCode = 0
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') continue
    failed.add(distinct[index]!)
    tellError(settings, result.reason)
    if (!(mayBeMissing && isMissing(result.reason)))
      exitCode = Math.max(exitCode, exitCodeOfCommand(result.reason))
  }
  const done = names.filter((name) => !failed.has(name))
  if (settings.format === 'json') settings.print(`${JSON.stringify(done)}\n`)
  else settings.print(done.map((name) => `${name}\n`).join(''))
  return exitCode
}

const isMissing = (error: unknown): boolean =>
  error instanceof KataError && (error.code === 'CONTAINER_NOT_FOUND' || error.code === 'IMAGE_NOT_STORED')
