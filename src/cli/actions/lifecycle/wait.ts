import { KataError } from '../../../errors.ts'
import { poll } from '../../../time.ts'
import type { ContainerRecord } from '../../client/record.ts'
import { type Observation, observe } from '../../client/status.ts'
import { TaskClient } from '../../client/task.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { findRecord } from '../containers.ts'

/** Prints the exit codes in the order of the names. */
export async function wait(settings: Settings, names: readonly string[]): Promise<number> {
  const results = await Promise.allSettled(names.map(async (name) => exitCodeOf(settings, name)))
  const codes: number[] = []
  for (const result of results) {
    if (result.status === 'fulfilled') codes.push(result.value)
    else tellError(settings, result.reason)
  }
  if (settings.format === 'json') settings.print(`${JSON.stringify(codes)}\n`)
  else settings.print(codes.map((code) => `${code}\n`).join(''))
  return codes.length === names.length ? 0 : 1
}

async function exitCodeOf(settings: Settings, name: string): Promise<number> {
  const { record, seen } = await onceCreated(settings, name)
  if (seen.exitCode !== undefined) return seen.exitCode
  if (record.address === undefined || seen.status === 'dead')
    throw new KataError('CONTAINER_NOT_RUNNING', { name, status: seen.status })
  const task = await TaskClient.connect(record.address, record.namespace, record.id)
  try {
    return await task.wait()
  } catch (error) {
    // Whoever cleans up ends the shim: then the record has the exit code.
    const { exitCode } = await observe(findRecord(settings, name))
    if (exitCode === undefined) throw error
    return exitCode
  } finally {
    task.close()
  }
}

/** The container once its client, which lives and waits for that itself, has made it. */
async function onceCreated(
  settings: Settings,
  name: string,
): Promise<{ record: ContainerRecord; seen: Observation }> {
  const look = async () => {
    const record = findRecord(settings, name)
    return { record, seen: await observe(record) }
  }
  const made = await poll(
    async () => {
      const found = await look()
      return found.seen.status === 'creating' ? undefined : found
    },
    { timeoutMs: Number.POSITIVE_INFINITY, everyMs: 20, longestMs: 200 },
  )
  return made ?? look()
}
