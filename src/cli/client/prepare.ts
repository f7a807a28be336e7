/** Prepares a start: the container's record, its bundle, and a function that makes its root file system. */
import { rmSync } from 'node:fs'
import { writeEventLogWishes } from '../../bundle/event-log.ts'
import { bundleFile } from '../../bundle/files.ts'
import { forgetRun } from '../../bundle/forget-run.ts'
import { type NetworkWishes, writeNetworkWishes } from '../../bundle/network.ts'
import { writeOverrides } from '../../bundle/overrides.ts'
import { makeUpper, type RootMount, writableOverlay } from '../../images/rootfs.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { bootId, ownProcess } from '../../linux/processes/proc.ts'
import type { Settings } from '../settings.ts'
import { makeCwdAbsolute } from './absolute-cwd.ts'
import type { ContainerPlan } from './container-plan.ts'
import { diskMounts, makeOwnDisks } from './disk-root.ts'
import { writeEtcFiles } from './etc-files.ts'
import { eventAttributes, noteEvent } from './events.ts'
import { forgetHealth } from './life/health-state.ts'
import type { Startable } from './life/session.ts'
import { takePorts } from './networks/free-ports.ts'
import { addressesOn, type Placed, takePlace } from './networks/place.ts'
import { writeOwnName } from './own-name.ts'
import {
  type ContainerRecord,
  createRecord,
  type RecordPaths,
  readRecord,
  recordPaths,
  updateRecord,
} from './record.ts'

interface HowNew {
  readonly detached: boolean
  /** Interrupts the wait for a lock. */
  readonly signal?: AbortSignal
}

/**
 * Makes the container of a plan for its first start. The lock of the ports, or of its network, is held while its name is claimed.
 *
 * @throws as {@link takePorts} and {@link takePlace}.
 */
export async function prepareNew(settings: Settings, plan: ContainerPlan, how: HowNew): Promise<Startable> {
  const { freePorts = [], network = { ports: [] } } = plan
  if (freePorts.length === 0) return withPlace(settings, plan, how)
  const make = (found: NetworkWishes['ports']) => {
    const ports = [...network.ports, ...found]
    return withPlace(settings, { ...plan, network: { ...network, ports } }, how)
  }
  return takePorts(settings.stateDir, freePorts, network.ports, make, how.signal)
}

/** Makes the container. If it is to be on a network with others, it gets its addresses there. */
async function withPlace(settings: Settings, plan: ContainerPlan, how: HowNew): Promise<Startable> {
  if (plan.place === undefined) return makeNew(settings, plan, how)
  const make = ({ place, mac, limits }: Placed) => {
    const network = { ports: [], ...plan.network, ...limits, place, mac }
    const etc = { ...plan.etc, addresses: addressesOn(place) }
    return makeNew(settings, { ...plan, network, etc }, how)
  }
  return takePlace(settings, plan.place, make, how.signal)
}

/** Claims the name and writes the bundle. */
function makeNew(settings: Settings, plan: ContainerPlan, { detached }: HowNew): Startable {
  const record = recordOf(settings, plan, detached)
  const paths = createRecord(settings.stateDir, record)
  try {
    plan.onRecorded()
    writeBundle(settings, plan, record, paths)
    noteEvent(settings, record, 'create')
  } catch (error) {
    // Otherwise the name would stay claimed. The container holds nothing else yet.
    rmSync(paths.directory, { recursive: true, force: true })
    throw error
  }
  const rootfs = (signal: AbortSignal) => makeRootfs(plan, paths, signal)
  return { record, paths, rootfs, ranBefore: false }
}

function recordOf(settings: Settings, plan: ContainerPlan, detached: boolean): ContainerRecord {
  const { id, command, image, imageId, layers, disks, isCopied, terminal, interactive, autoRemove } = plan
  const { labels, logBounds, stopSignal, stopTimeout, configFile, restart, health, exposed } = plan
  return {
    id,
    namespace: settings.namespace,
    command,
    image,
    imageId,
    layers,
    terminal,
    detached,
    autoRemove,
    disks,
    isCopied,
    interactive,
    labels,
    logBounds,
    stopSignal,
    stopTimeout,
    configFile,
    restart,
    health,
    exposed,
    createdAt: new Date().toISOString(),
    status: 'creating',
    owner: ownProcess(),
    bootId: bootId(),
  }
}

function writeBundle(
  { stateDir }: Settings,
  { spec, overrides, network, autoRemove }: ContainerPlan,
  record: ContainerRecord,
  { bundle }: RecordPaths,
): void {
  const how = { isFlushed: !autoRemove }
  replaceFile(bundleFile(bundle, 'spec'), JSON.stringify(spec), how)
  writeOverrides(bundle, overrides, how)
  // This file is not flushed, because each start checks it and writes it again if needed.
  writeEventLogWishes(bundle, { stateDir, attributes: eventAttributes(record) })
  if (network !== undefined) writeNetworkWishes(bundle, network, how)
}

/** Makes the root file system. Writes go to the container's directory, or a disk in it; the layers never change. */
async function makeRootfs(
  { id, layers, disks, etc }: ContainerPlan,
  { directory }: RecordPaths,
  signal: AbortSignal,
): Promise<readonly RootMount[]> {
  const fill = (upper: string) => writeEtcFiles(upper, layers, etc)
  if (disks !== undefined) {
    await makeOwnDisks(disks, { container: id, directory, layers, fill, signal })
    return diskMounts(disks, directory)
  }
  makeUpper(layers, directory)
  fill(`${directory}/upper`)
  return [writableOverlay(layers, directory)]
}

export interface RunAgain {
  /** The saved machine to continue. Without one the container boots, and its saved machine is removed. */
  readonly checkpoint?: string
  /** Whether this process is the container's monitor. */
  readonly isMonitor: boolean
  /** Changes of the record for this start. */
  readonly changes: Partial<ContainerRecord>
  /** Whether the container has never run. Then it is removed if it cannot start. */
  readonly isNew?: boolean
}

/** Prepares an existing container for its next start. */
export function prepareAgain(
  settings: Settings,
  before: ContainerRecord,
  { isMonitor, changes, checkpoint, isNew = false }: RunAgain,
): Startable {
  const { stateDir } = settings
  const { namespace, id, layers, disks } = before
  const paths = recordPaths(stateDir, namespace, id)
  if (checkpoint === undefined) rmSync(paths.saved, { recursive: true, force: true })
  forgetRun(paths.bundle)
  // Otherwise the container would show the health of its last run.
  forgetHealth(settings, before)
  writeOwnName(stateDir, before)
  makeCwdAbsolute(paths.bundle)
  updateRecord(stateDir, namespace, id, {
    status: 'creating',
    detached: true,
    owner: ownProcess(),
    bootId: bootId(),
    address: undefined,
    exitCode: undefined,
    finishedAt: undefined,
    restartsAt: undefined,
    ...changes,
  })
  const record = readRecord(stateDir, namespace, id)
  const rootfs = async () =>
    disks === undefined ? [writableOverlay(layers, paths.directory)] : diskMounts(disks, paths.directory)
  return { record, paths, rootfs, ranBefore: !isNew, isMonitor, ...(checkpoint && { checkpoint }) }
}
