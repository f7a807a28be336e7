import { KataError } from '../../../errors.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { poll, sleep } from '../../../time.ts'
import { isExternal } from '../../client/external.ts'
import { healthOf } from '../../client/life/health-state.ts'
import type { ContainerRecord } from '../../client/record.ts'
import { type Observation, observe } from '../../client/status.ts'
import { isSavedNow } from '../../client/suspended.ts'
import { TaskClient } from '../../client/task.ts'
import type { WaitFlags } from '../../commands/lifecycle/wait.ts'
import { tellError } from '../../explain.ts'
import { parseChoice } from '../../parse/number.ts'
import type { Settings } from '../../settings.ts'
import { findRecord } from '../containers.ts'

/** Prints the exit codes in the order of the names. */
export async function wait(
  settings: Settings,
  { condition = ['stopped'] }: WaitFlags,
  names: readonly string[],
): Promise<number> {
  const wanted = condition.map((text) => parseChoice(text, '--condition', conditions))
  const onlyEnd = wanted.every((state) => state === 'stopped')
  const wait = onlyEnd ? exitCodeOf : untilOne
  const results = await Promise.allSettled(names.map(async (name) => wait(settings, name, wanted)))
  const codes: number[] = []
  for (const result of results) {
    if (result.status === 'fulfilled') codes.push(result.value)
    else tellError(settings, result.reason)
  }
  if (settings.format === 'json') settings.print(`${JSON.stringify(codes)}\n`)
  else settings.print(codes.map((code) => `${code}\n`).join(''))
  return codes.length === names.length ? 0 : 1
}

const conditions = ['stopped', 'running', 'paused', 'removed', 'healthy', 'unhealthy'] as const
type Condition = (typeof conditions)[number]
const healths: ReadonlySet<Condition> = new Set(['healthy', 'unhealthy'])

const lookMs = 200
/** A container that is found ended so often is not about to be started again, as by `restart`. */
const endedLooks = 15

/** The exit code of the container once one of these states is its; -1 while it has none, as podman says. */
async function untilOne(settings: Settings, name: string, wanted: readonly Condition[]): Promise<number> {
  const record = findRecord(settings, name)
  requireCheck(record, wanted)
  const onlyHealth = wanted.every((state) => healths.has(state))
  for (let ended = 0; ; await sleep(lookMs)) {
    const found = await stateOf(settings, name)
    if (wanted.some((state) => found.states.includes(state))) return found.exitCode
    if (found.states.includes('removed'))
      throw new KataError('CONTAINER_NOT_FOUND', { name, namespace: settings.namespace })
    ended = found.hasEnded ? ended + 1 : 0
    // Nobody checks it any more.
    if (onlyHealth && ended === endedLooks)
      throw new KataError('CONTAINER_NOT_RUNNING', { name, status: 'stopped' })
  }
}

/** What has no check is never healthy, and nobody would be told. @throws KataError OPTION_CONFLICT. */
function requireCheck(record: ContainerRecord, wanted: readonly Condition[]): void {
  if (record.health !== undefined || !wanted.every((state) => healths.has(state))) return
  throw new KataError('OPTION_CONFLICT', {
    options: `--condition ${wanted.join(', ')} and ${record.id}`,
    reason: 'the container has no health check',
    remedy: 'Run it with --health-cmd, or wait for another condition.',
  })
}

interface Found {
  readonly states: readonly string[]
  readonly exitCode: number
  /** Nothing starts it again by itself. */
  readonly hasEnded: boolean
}

async function stateOf(settings: Settings, name: string): Promise<Found> {
  try {
    const record = findRecord(settings, name)
    const { status, exitCode = -1 } = await observe(record)
    const health =
      status === 'running' && !isExternal(record) ? healthOf(settings, record)?.status : undefined
    // What died has ended, too; what was saved has not.
    const hasDied = status === 'dead' || status === 'stopped'
    const isSaved = hasDied && isSavedNow(settings, record)
    const state = isSaved ? 'suspended' : hasDied ? 'stopped' : status
    const hasEnded = state === 'stopped' && !isCleanedUp(record)
    return { states: health === undefined ? [state] : [state, health], exitCode, hasEnded }
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND')
      return { states: ['removed'], exitCode: -1, hasEnded: true }
    throw error
  }
}

const named = ({ namespace }: Settings, id: string) => ({ namespace, id })

async function exitCodeOf(settings: Settings, name: string): Promise<number> {
  for (;;) {
    try {
      const code = await endOf(settings, name)
      // What is suspended has lost its machine, and has not ended.
      if (!isSavedNow(settings, named(settings, name))) return code
    } catch (error) {
      if (!isSavedNow(settings, named(settings, name))) throw error
    }
  }
}

async function endOf(settings: Settings, name: string): Promise<number> {
  const { record, seen } = await onceKnown(settings, name)
  return seen.exitCode ?? (await exitOf(settings, name, record, seen))
}

async function exitOf(
  settings: Settings,
  name: string,
  record: ContainerRecord,
  { status }: Observation,
): Promise<number> {
  const { address, namespace, id } = record
  if (address === undefined || status === 'dead')
    throw new KataError('CONTAINER_NOT_RUNNING', { name, status })
  let task: TaskClient | undefined
  try {
    task = await TaskClient.connect(address, namespace, id)
    return await task.wait()
  } catch (error) {
    // The cleanup ends the shim: then the record has the exit code.
    const { exitCode } = (await onceKnown(settings, name)).seen
    if (exitCode === undefined) throw error
    return exitCode
  } finally {
    task?.close()
  }
}

/** Whether its client lives that cleans up after it, and notes how it ended. */
const isCleanedUp = ({ status, owner }: ContainerRecord): boolean =>
  status !== 'stopped' && owner !== undefined && isAlive(owner)

/**
 * The container once its client, which lives and waits for that itself, has made it, or has noted how it ended; one that is suspended,
 * once it goes on.
 */
async function onceKnown(
  settings: Settings,
  name: string,
): Promise<{ record: ContainerRecord; seen: Observation }> {
  const look = async () => {
    const record = findRecord(settings, name)
    return { record, seen: await observe(record) }
  }
  const known = await poll(
    async () => {
      const found = await look()
      const { status } = found.seen
      const isUnknown = status === 'dead' && isCleanedUp(found.record)
      const isWaiting = status === 'creating' || status === 'suspended' || isUnknown
      return isWaiting || isSavedNow(settings, named(settings, name)) ? undefined : found
    },
    { timeoutMs: Number.POSITIVE_INFINITY, everyMs: 20, longestMs: 200 },
  )
  return known ?? look()
}
