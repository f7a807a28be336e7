import { rmSync } from 'node:fs'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { SIGKILL } from '../../../linux/processes/signal.ts'
import { within } from '../../../time.ts'
import { endContainer } from '../../client/end.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { forbidRestart } from '../../client/life/monitor.ts'
import { ownerCleansUp } from '../../client/life/owner.ts'
import { underContainerLock } from '../../client/lock.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../../client/record.ts'
import { observe } from '../../client/status.ts'
import { isHalfMade, wasSaved } from '../../client/suspended.ts'
import { answerStatus, isNotFound, type TaskClient } from '../../client/task.ts'
import { thaw } from '../../client/thaw.ts'
import type { StopFlags } from '../../commands/lifecycle/stop.ts'
import { parseStopTimeout } from '../../parse/number.ts'
import { parseSignal } from '../../parse/signal.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'

const SIGTERM = 15
const defaultSeconds = 10

/** What the person asked for; what they left open is the container's. */
export interface StopWishes {
  readonly seconds: number | undefined
  readonly signal: number | undefined
}

export async function stop(settings: Settings, flags: StopFlags, names: readonly string[]): Promise<number> {
  const wishes = stopWishes(flags)
  return forEachName(settings, names, async (name) => {
    const record = findRecord(settings, name)
    await stopOne(settings, record, wishes)
    // A restart that was killed is not missed any more.
    if (record.restarting !== undefined)
      updateRecord(settings.stateDir, record.namespace, record.id, { restarting: undefined }, record)
  })
}

/** @throws KataError OPTION_INVALID. */
export function stopWishes({ timeout, time = timeout, signal }: StopFlags): StopWishes {
  return {
    seconds: time === undefined ? undefined : parseStopTimeout(time, '--timeout'),
    signal: signal === undefined ? undefined : parseSignal(signal),
  }
}

/** A container that has ended is stopped already. What it held is released once this returns, but not its files. */
export async function stopOne(settings: Settings, found: ContainerRecord, wishes: StopWishes): Promise<void> {
  const wish = await forbidRestart(settings, found)
  const onSent = () => wish.fulfil()
  try {
    await stopForGood(settings, latest(settings, found), { ...wishes, onSent })
  } catch (error) {
    await wish.takeBack(error)
    throw error
  }
  wish.fulfil()
}

interface Stopping extends StopWishes {
  /** Called once a signal has got to the container. */
  onSent(): void
}

async function stopForGood(settings: Settings, record: ContainerRecord, wishes: Stopping): Promise<void> {
  const seen = await observe(record)
  if (record.status === 'created') return
  if (record.status === 'suspended') {
    let goesOn = false
    // It may be about to go on.
    await underContainerLock(settings, record, async (now) => {
      goesOn = now.status !== 'suspended'
      if (!goesOn) discard(settings, now)
    })
    return goesOn ? stopForGood(settings, findRecord(settings, record.id), wishes) : undefined
  }
  if (seen.status === 'stopped' && (!seen.held || isExternal(record))) return
  // It has ended with its shim, or with its host. What was never whole is for `gc`, which removes it.
  if (seen.status === 'dead' && !isExternal(record) && !isHalfMade(settings, record)) {
    if (!(await ownerCleansUp(settings, record))) await endRun(settings, record, {})
    return
  }
  const task = await connectRunning(record, ['running', 'paused', 'stopped'])
  try {
    const exitCode =
      seen.exitCode ?? (await endInTime(task, record, { ...wishes, isPaused: seen.status === 'paused' }))
    if (!isExternal(record)) noteEvent(settings, record, 'stop')
    // Another client of the shim cleans up in its own way.
    if (isExternal(record) || (await ownerCleansUp(settings, record))) return
    await endRun(settings, record, { exitCode, task })
  } finally {
    task.close()
  }
}

/** How long another command may have the container in hand, milliseconds: a machine that boots takes its time. */
const turnMs = 30_000

/** Releases what this run of the container holds. Another command may have done that, and have started the container again. */
async function endRun(
  settings: Settings,
  run: ContainerRecord,
  end: { readonly exitCode?: number; readonly task?: TaskClient },
): Promise<void> {
  const { stateDir } = settings
  const { namespace, id } = run
  const { directory } = recordPaths(stateDir, namespace, id)
  await underDirectoryLock(directory, turnMs, async () => {
    const now = readRecord(stateDir, namespace, id)
    if (isSameRun(now, run)) await endContainer(settings, run, end)
    // Another command has saved its machine meanwhile: that would keep it from being ended.
    if (now.startedAt === run.startedAt && wasSaved(settings, now)) discard(settings, now)
  })
}

function isSameRun(now: ContainerRecord, before: ContainerRecord): boolean {
  if (now.status !== before.status) return before.status === 'creating' && now.status === 'running'
  return now.startedAt === before.startedAt
}

/** Discards the saved machine; the container's files stay. */
function discard({ stateDir }: Settings, { namespace, id }: ContainerRecord): void {
  const finishedAt = new Date().toISOString()
  const ended = { status: 'stopped', exitCode: 128 + SIGKILL, finishedAt, savedRun: undefined } as const
  updateRecord(stateDir, namespace, id, ended)
  rmSync(recordPaths(stateDir, namespace, id).saved, { recursive: true, force: true })
}

/** A restart may have come to an end meanwhile. */
const latest = (settings: Settings, record: ContainerRecord): ContainerRecord =>
  record.restart === undefined ? record : findRecord(settings, record.id)

/** The exit code of the container's command. */
async function endInTime(
  task: TaskClient,
  record: ContainerRecord,
  { isPaused, onSent, ...wishes }: Stopping & { readonly isPaused: boolean },
): Promise<number> {
  const { stopSignal = SIGTERM, stopTimeout = defaultSeconds } = record
  const { signal = stopSignal, seconds = stopTimeout } = wishes
  const exited = task.wait()
  // Awaited below; a failure before that must not count as unhandled.
  exited.catch(() => {})
  if (seconds !== 0) {
    await send(task, signal)
    onSent()
    // What cannot be let go on is killed when its time is over.
    if (isPaused) await thaw(task).catch(() => {})
  }
  const code = seconds < 0 ? await exited : await within(exited, seconds * 1000)
  if (code !== undefined) return code
  await send(task, SIGKILL)
  onSent()
  return exited
}

/**
 * A process that has ended meanwhile needs no signal. One whose machine is saved gets it afterwards, which may be later than its answer is
 * waited for: a shim that answers has it.
 */
async function send(task: TaskClient, signal: number): Promise<void> {
  await task.kill(signal).catch(async (error) => {
    if (answerStatus(error) === 'deadline_exceeded') await task.connectInfo()
    else if (!isNotFound(error)) throw error
  })
}
