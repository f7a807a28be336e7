import { bundleFile } from '../../../bundle/files.ts'
import { maxSpecBytes, readObject } from '../../../bundle/read-file.ts'
import { KataError } from '../../../errors.ts'
import { isObject } from '../../../json/compounds.ts'
import { replaceFile } from '../../../linux/files/replace-file.ts'
import { mayBeAlive } from '../../../linux/processes/proc.ts'
import { poll } from '../../../time.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { endMonitor, ensureMonitor } from '../../client/life/monitor.ts'
import type { RestartPolicy } from '../../client/life/restart-policy.ts'
import { underContainerLock } from '../../client/lock.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../../client/record.ts'
import { type Observation, observe } from '../../client/status.ts'
import type { UpdateFlags } from '../../commands/lifecycle/update.ts'
import { parseHostOptions } from '../../parse/host-options.ts'
import { parseCpus, parsePidsLimit } from '../../parse/number.ts'
import { parseRestart } from '../../parse/restart.ts'
import { parseMemoryLimit } from '../../parse/size.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'

/** As the default specification has it, microseconds. */
const cpuPeriod = 100_000
/** In the specification, where a limit that is absent changes nothing. */
const noLimit = -1

interface Limits {
  readonly memory?: { readonly limit: number }
  readonly cpu?: {
    readonly quota?: number
    readonly period?: number
    readonly cpus?: string
    readonly mems?: string
  }
  readonly pids?: { readonly limit: number }
}

export async function update(
  settings: Settings,
  flags: UpdateFlags,
  names: readonly string[],
): Promise<number> {
  const limits = limitsOf(flags)
  const restart = flags.restart === undefined ? undefined : parseRestart(flags.restart)
  if (Object.keys(limits).length === 0 && restart === undefined)
    throw new KataError('USAGE', { problem: 'nothing to change was given', command: 'kata-ts update' })
  return forEachName(settings, names, (name) => updateOne(settings, name, limits, restart))
}

/** How long another command may have the container in hand, milliseconds: a machine that boots takes its time. */
const turnMs = 30_000

/** A start takes either all of the limits or none of them. */
async function updateOne(
  settings: Settings,
  name: string,
  limits: Limits,
  restart: RestartPolicy | undefined,
): Promise<void> {
  const found = findRecord(settings, name)
  if (isExternal(found)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'updated' })
  let updated: Found | undefined
  const work = async (record: ContainerRecord) => {
    updated = await updateHeld(settings, record, limits, restart)
  }
  await underContainerLock(settings, found, work, turnMs)
  if (updated?.seen.status !== 'dead') return
  // Its first start may just have failed: then its client removes it, with what was changed.
  const left = await lookUnless(settings, found, isCleanedUp)
  if (left === undefined) throw new KataError('CONTAINER_BUSY', { name })
  const { namespace } = found
  if (left.record.createdAt !== found.createdAt)
    throw new KataError('CONTAINER_NOT_FOUND', { name, namespace })
}

/** The specification comes last: it is what a later start begins with, and a refused change is none. */
async function updateHeld(
  settings: Settings,
  found: ContainerRecord,
  limits: Limits,
  restart: RestartPolicy | undefined,
): Promise<Found> {
  const { namespace, id: name } = found
  if (restart !== undefined && found.autoRemove)
    throw new KataError('OPTION_CONFLICT', {
      options: '--rm and --restart',
      reason: `${name} is removed once it has ended`,
      remedy: 'Make another container without --rm.',
    })
  const hasLimits = Object.keys(limits).length > 0
  const looked = hasLimits ? await onceMade(settings, found) : await look(settings, found)
  const { record, seen } = looked
  const { status } = seen
  const isRunning = status === 'running' || status === 'paused'
  // It goes on with the limits that it had, and would only seem to have others.
  if (status === 'suspended' && hasLimits) throw new KataError('CONTAINER_NOT_RUNNING', { name, status })
  if (isRunning && hasLimits) {
    const task = await connectRunning(record)
    try {
      await task.update(limits)
    } finally {
      task.close()
    }
  }
  const { stateDir } = settings
  if (hasLimits) writeLimits(recordPaths(stateDir, namespace, name).bundle, limits)
  noteEvent(settings, record, 'update')
  if (restart === undefined) return looked
  // What its policy before was about to start again stays ended.
  updateRecord(stateDir, namespace, name, {
    restart,
    ...(restart.name === 'no' && { restartsAt: undefined }),
  })
  if (restart.name === 'no' && status === 'restarting') await endMonitor(record)
  // Its client may have left it meanwhile.
  const now = readRecord(stateDir, namespace, name)
  const mayRun = (isRunning || isBeingMade(record, seen)) && now.status !== 'created'
  if (mayRun) ensureMonitor(settings, now)
  return looked
}

interface Found {
  readonly record: ContainerRecord
  readonly seen: Observation
}

async function look({ stateDir }: Settings, { namespace, id }: ContainerRecord): Promise<Found> {
  const record = readRecord(stateDir, namespace, id)
  return { record, seen: await observe(record) }
}

/** Its first start holds no lock. It has read the specification already, and takes no other limits before it runs. @throws KataError CONTAINER_BUSY. */
async function onceMade(settings: Settings, container: ContainerRecord): Promise<Found> {
  const made = await lookUnless(settings, container, isBeingMade)
  if (made === undefined) throw new KataError('CONTAINER_BUSY', { name: container.id })
  return made
}

/** Undefined where that is so for too long. @throws KataError CONTAINER_NOT_FOUND once it is removed. */
function lookUnless(
  settings: Settings,
  container: ContainerRecord,
  isUnderWay: (record: ContainerRecord, seen: Observation) => boolean,
): Promise<Found | undefined> {
  const work = async () => {
    const found = await look(settings, container)
    return isUnderWay(found.record, found.seen) ? undefined : found
  }
  return poll(work, { timeoutMs: turnMs, everyMs: 20, longestMs: 200 })
}

/** Its client has not left it to itself yet. */
const isBeingMade = ({ owner }: ContainerRecord, { status, held }: Observation): boolean =>
  status === 'creating' || (status === 'created' && held && owner !== undefined && mayBeAlive(owner))

/** Its client, or its monitor, is at it. */
const isCleanedUp = ({ owner }: ContainerRecord, { status }: Observation): boolean =>
  status === 'dead' && owner !== undefined && mayBeAlive(owner)

function writeLimits(bundle: string, limits: Limits): void {
  const path = bundleFile(bundle, 'spec')
  const spec = readObject(path, maxSpecBytes) ?? {}
  const linux = objectOr(spec.linux)
  const resources = objectOr(linux.resources)
  const cpu = limits.cpu === undefined ? {} : { cpu: { ...objectOr(resources.cpu), ...limits.cpu } }
  const changed = { ...spec, linux: { ...linux, resources: { ...resources, ...limits, ...cpu } } }
  replaceFile(path, JSON.stringify(changed), { isFlushed: true })
}

const objectOr = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {})

function limitsOf({ memory, cpus, pidsLimit, cpusetCpus, cpusetMems }: UpdateFlags): Limits {
  const host = parseHostOptions(
    {
      ...(cpusetCpus === undefined ? {} : { cpusetCpus }),
      ...(cpusetMems === undefined ? {} : { cpusetMems }),
    },
    undefined,
  )
  const cpu = {
    ...(cpus === undefined ? {} : { quota: Math.round(parseCpus(cpus) * cpuPeriod), period: cpuPeriod }),
    ...(host.cpus === '' ? {} : { cpus: host.cpus }),
    ...(host.mems === '' ? {} : { mems: host.mems }),
  }
  return {
    ...(memory === undefined ? {} : { memory: { limit: parseMemoryLimit(memory) } }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(pidsLimit === undefined ? {} : { pids: { limit: parsePidsLimit(pidsLimit) ?? noLimit } }),
  }
}
