import { failpointsOf } from '../../ledger/failpoints.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import { isAlive, mayBeAlive, type ProcessRef } from '../../linux/processes/proc.ts'
import { type Collected, collectGarbage } from '../../sandbox/records/gc.ts'
import { sleep } from '../../time.ts'
import { endContainer } from '../client/end.ts'
import { ensureMonitor } from '../client/life/monitor.ts'
import { needsMonitor } from '../client/life/restarts.ts'
import {
  type ContainerRecord,
  claimedWithoutRecord,
  finishRemoval,
  listNamespaces,
  listRecords,
  listRemovals,
  readRecord,
  recordGraceMs,
  recordPaths,
  removeRecord,
} from '../client/record.ts'
import { unfinishedSnapshots } from '../client/snapshots/store.ts'
import { type Observation, observe } from '../client/status.ts'
import { isHalfMade, removeWorthless, suspended, wasSaved } from '../client/suspended.ts'
import { uidRangeForPerson } from '../configuration.ts'
import { explain } from '../explain.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

/** The time for removing one container's files, milliseconds; the others get their turn, too. */
const removalLimitMs = 60_000

/** Containers first, so that their exit is noted; then what belongs to no container any more. */
export async function gc(settings: Settings, configFile: string | undefined): Promise<number> {
  const { runDir, log, env } = settings
  const range = uidRangeForPerson(settings, configFile)
  const collected: Collected[] = []
  for (const namespace of listNamespaces(settings.stateDir)) {
    for (const id of listRecords(settings.stateDir, namespace)) {
      const result = await collectContainer(settings, namespace, id)
      if (result !== undefined) collected.push(result)
    }
    for (const path of listRemovals(settings.stateDir, namespace))
      collected.push(await collectRemoval('files', path))
  }
  for (const snapshot of unfinishedSnapshots(settings.stateDir)) {
    const result = await collectSnapshot(snapshot)
    if (result !== undefined) collected.push(result)
  }
  collected.push(...(await collectGarbage({ runDir, range, log, failpoints: failpointsOf('gc', env, log) })))
  settings.print(render(settings.format, collected, asTable))
  return collected.some(({ failure }) => failure !== undefined) ? 1 : 0
}

/** Leaves a container alone while another command works on it: a change in progress looks like what a crash left. */
async function collectContainer(
  settings: Settings,
  namespace: string,
  id: string,
): Promise<Collected | undefined> {
  const { directory } = recordPaths(settings.stateDir, namespace, id)
  const name = `${namespace}/${id}`
  let collected: Collected | undefined
  try {
    await underDirectoryLock(directory, 0, async () => {
      collected = await collectHeld(settings, namespace, id)
    })
  } catch (error) {
    return { kind: 'container', name, failure: explain(error) }
  }
  return collected
}

async function collectHeld(
  settings: Settings,
  namespace: string,
  id: string,
): Promise<Collected | undefined> {
  const name = `${namespace}/${id}`
  const claimedMs = claimedWithoutRecord(settings.stateDir, namespace, id)
  if (claimedMs !== undefined && claimedMs < recordGraceMs) return undefined
  if (claimedMs !== undefined) {
    await inTime((signal) => removeRecord(settings.stateDir, namespace, id, signal))
    return { kind: 'record', name }
  }
  const record = readRecord(settings.stateDir, namespace, id)
  const seen = await observe(record)
  if (lacksMonitor(record, seen)) {
    ensureMonitor(settings, record)
    settings.tell(`container ${id} runs, and nobody waited for its end: a monitor does now`)
    return undefined
  }
  if (isLeftBehind(record, seen)) {
    const note = wasSaved(settings, record) ? () => suspended : undefined
    const remove = record.autoRemove || isHalfMade(settings, record)
    await inTime((signal) => endContainer(settings, record, { signal, note, remove }))
    return { kind: 'container', name }
  }
  if (record.status === 'stopped' && record.autoRemove) {
    if (hasOwner(record)) return undefined
    await inTime((signal) => removeRecord(settings.stateDir, namespace, id, signal))
    return { kind: 'record', name }
  }
  if (record.owner !== undefined && mayBeAlive(record.owner)) return undefined
  return removeWorthless(settings, record) ? { kind: 'saved machine', name } : undefined
}

/** What a command was making or removing that is gone. */
async function collectSnapshot({
  path,
  process,
}: {
  readonly path: string
  readonly process: ProcessRef
}): Promise<Collected | undefined> {
  try {
    return isAlive(process) ? undefined : await collectRemoval('snapshot', path)
  } catch (error) {
    return { kind: 'snapshot', name: path, failure: explain(error) }
  }
}

/** Finishes a removal that was interrupted. */
async function collectRemoval(kind: string, path: string): Promise<Collected> {
  const failure = await inTime((signal) => finishRemoval(path, signal)).then(() => undefined, explain)
  return { kind, name: path, ...(failure === undefined ? {} : { failure }) }
}

async function inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const reason = new Error(`${removalLimitMs / 1000} s were not enough`)
  const over = new AbortController()
  sleep(removalLimitMs, over.signal).then(
    () => abort.abort(reason),
    () => {},
  )
  try {
    return await work(abort.signal)
  } finally {
    over.abort()
  }
}

/** Its client or its monitor was killed: nobody would remove it at its end, or do what its policy or its health check say. */
function lacksMonitor(record: ContainerRecord, { status }: Observation): boolean {
  const { owner } = record
  const isUp = status === 'running' || status === 'paused'
  return isUp && needsMonitor(record) && !(owner !== undefined && mayBeAlive(owner))
}

/**
 * Dead, or created by a client that did not live to start it, or ended without a client that cleans up. A detached container waits for `rm`
 * and is not garbage.
 */
function isLeftBehind(record: ContainerRecord, { status, held }: Observation): boolean {
  // Who makes a container has to be known for it: the owner may be in a pid namespace that is not seen from here.
  const isLeft =
    status === 'dead' ||
    status === 'creating' ||
    status === 'created' ||
    (status === 'stopped' && (record.autoRemove || !record.detached))
  return held && isLeft && !hasOwner(record)
}

/** @throws KataError PROCESS_ELSEWHERE. */
function hasOwner({ owner }: ContainerRecord): boolean {
  return owner !== undefined && isAlive(owner)
}

function asTable(collected: readonly Collected[]): string {
  if (collected.length === 0) return 'nothing to collect\n'
  return table(
    ['KIND', 'NAME', 'RESULT'],
    collected.map(({ kind, name, failure }) => [kind, name, failure ?? 'released']),
  )
}
