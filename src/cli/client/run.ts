/** The life of a container as its client lives it: claim the name, start the shim, Create, Start, Wait, Delete. */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeEventLogWishes } from '../../bundle/event-log.ts'
import { bundleFile } from '../../bundle/files.ts'
import { forgetRun } from '../../bundle/forget-run.ts'
import { type NetworkWishes, writeNetworkWishes } from '../../bundle/network.ts'
import { writeOverrides } from '../../bundle/overrides.ts'
import type { Overrides } from '../../config/overrides.ts'
import { makeUpper, writableOverlay } from '../../images/rootfs.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { bootId, ownProcess } from '../../linux/processes/proc.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { LogBounds, LogStream } from '../../sandbox/records/container-log.ts'
import { heldInput } from '../../sandbox/records/held-input.ts'
import { logUri } from '../../sandbox/records/log-files.ts'
import { exitCodeOf } from '../exit-code.ts'
import type { Labels } from '../parse/labels.ts'
import { defaultLogBounds } from '../parse/log-options.ts'
import type { FreePort } from '../parse/publish.ts'
import type { Settings } from '../settings.ts'
import { attach } from './attach.ts'
import { diskMounts, makeOwnDisks, type RootDisks } from './disk-root.ts'
import { type EtcWishes, writeEtcFiles } from './etc-files.ts'
import { eventAttributes, noteEvent } from './events.ts'
import { watchHealth } from './life/health.ts'
import type { HealthCheck } from './life/health-check.ts'
import { forgetHealth } from './life/health-state.ts'
import type { RestartPolicy } from './life/restart-policy.ts'
import { noteSignal } from './life/restarts.ts'
import { Session, type Startable } from './life/session.ts'
import { takePorts } from './networks/free-ports.ts'
import { addressesOn, type PlaceWish, takePlace } from './networks/place.ts'
import type { ByteSink } from './output.ts'
import {
  type ContainerRecord,
  createRecord,
  type RecordPaths,
  readRecord,
  recordPaths,
  updateRecord,
} from './record.ts'
import { abortOnSignal, catchSignals } from './signals.ts'
import { type AttachedStreams, attachStreams, type StreamUris } from './streams.ts'

export interface ContainerPlan {
  readonly id: string
  readonly command: readonly string[]
  /** For people. */
  readonly image: string
  readonly imageId?: string | undefined
  /** Called once the record is there, which names the layers: from then on they are in use. */
  readonly onRecorded: () => void
  /** Host directories of the read-only layers, from the top down. */
  readonly layers: readonly string[]
  /** Its root file system is on disks; undefined: it is shared. */
  readonly disks?: RootDisks | undefined
  /** Its VMM has no share, and a copy of the files is its root file system. */
  readonly isCopied?: true | undefined
  readonly spec: OciSpec
  readonly etc: EtcWishes
  readonly interactive: boolean
  /** The keys that leave it. */
  readonly detachKeys: Uint8Array
  readonly terminal: boolean
  readonly autoRemove: boolean
  readonly labels: Labels
  readonly logBounds: LogBounds
  readonly stopSignal?: number | undefined
  readonly stopTimeout?: number | undefined
  readonly restart?: RestartPolicy | undefined
  readonly health?: HealthCheck | undefined
  readonly overrides: Overrides
  /** A network that the shim makes. */
  readonly network?: NetworkWishes | undefined
  /** Its ports that get a free port of the host when its record is made. */
  readonly freePorts?: readonly FreePort[] | undefined
  /** Ports that its image or the command line names: `80/tcp`. */
  readonly exposed?: readonly string[] | undefined
  /** Its place on a network that others are on. */
  readonly place?: PlaceWish | undefined
  readonly configFile?: string | undefined
}

/** Which streams of the command a container in the foreground is attached to. */
export interface Attached {
  readonly streams: ReadonlySet<'stdin' | 'stdout' | 'stderr'>
  /** Signals go to the container; otherwise the first one leaves it. */
  readonly passesSignals: boolean
}

const dropped: ByteSink = { write: async () => {} }

/** Runs the container that `make` makes in the foreground and returns the exit code of its process. */
export async function runAttached(
  settings: Settings,
  plan: Pick<ContainerPlan, 'id' | 'terminal' | 'interactive' | 'detachKeys'>,
  { streams: wanted, passesSignals }: Attached,
  make: () => Startable | Promise<Startable>,
): Promise<number> {
  // Before anything is made: from here on a signal ends this process in an orderly way.
  const signals = catchSignals()
  let streams: AttachedStreams | undefined
  let session: Session | undefined
  const over = new AbortController()
  try {
    const container = await make()
    session = new Session(settings, container)
    const { id, terminal } = plan
    const interactive = plan.interactive && wanted.has('stdin')
    const { paths } = container
    // By it others see that there is something to attach to.
    closeSync(openSync(paths.log, 'a', 0o600))
    streams = attachStreams({
      directory: dirname(paths.stdin),
      isShared: true,
      interactive,
      terminal,
      input: 0,
      output: wanted.has('stdout') ? 1 : dropped,
      errors: wanted.has('stderr') ? 2 : dropped,
      ...(interactive && terminal ? { detachKeys: plan.detachKeys } : {}),
    })
    const task = await session.create(loggedUris(container, streams.uris), signals)
    const { log, tell } = settings
    const onSignal = (signal: number) => noteSignal(settings, container.record, signal)
    const asked = { task, id, execId: '', streams, signals, interactive, terminal, log, tell, onSignal }
    const run = attach({ ...asked, passesSignals })
    void watchHealth(settings, container.record, task, over.signal)
    const exitCode = await Promise.race([run, signals.interrupted])
    over.abort()
    if (exitCode === undefined) return session.handOver(task)
    session.reportFailure(exitCode)
    await session.end(exitCode, signals)
    return exitCode
  } catch (error) {
    await session?.fail(signals)
    throw error
  } finally {
    over.abort()
    streams?.close()
    signals.release()
  }
}

/** Makes the container, whose machine a later start makes. */
export async function createOnly(settings: Settings, plan: ContainerPlan): Promise<void> {
  const signals = catchSignals()
  let session: Session | undefined
  try {
    const container = await prepare(settings, plan, true)
    const { namespace, id } = container.record
    session = new Session(settings, container)
    await container.rootfs(abortOnSignal(signals))
    updateRecord(settings.stateDir, namespace, id, { status: 'created', owner: undefined })
  } catch (error) {
    await session?.fail(signals)
    throw error
  } finally {
    signals.release()
  }
}

/** Starts the container and leaves it to its shim, which keeps its exit code until it is removed. */
export function runDetached(settings: Settings, plan: ContainerPlan): Promise<void> {
  return detach(settings, () => prepare(settings, plan, true))
}

/** Makes the container of a plan, for its first start. */
export const prepareNew = (settings: Settings, plan: ContainerPlan): Promise<Startable> =>
  prepare(settings, plan, false)

/**
 * Starts an ended container again, in the background: a new machine with the root file system that it left. Its former machine must be
 * gone.
 */
export function runAgain(settings: Settings, record: ContainerRecord, how: RunAgain): Promise<void> {
  return detach(settings, () => prepareAgain(settings, record, how))
}

export interface RunAgain {
  /** The saved machine from which it continues. Without one it boots, and any saved machine of it is removed. */
  readonly checkpoint?: string
  /** This process is the one that waits for the container. */
  readonly isKeeper: boolean
  /** What its record says of this start. */
  readonly changes: Partial<ContainerRecord>
  /** It has never run: it is removed when it cannot start. */
  readonly isNew?: boolean
}

/** Starts the container that `make` makes and leaves it to its shim. */
export async function detach(settings: Settings, make: () => Startable | Promise<Startable>): Promise<void> {
  const signals = catchSignals()
  let session: Session | undefined
  try {
    const container = await make()
    const { record, paths } = container
    session = new Session(settings, container)
    const stdin = record.interactive ? heldInput(makeStdin(paths)) : ''
    const task = await session.create(loggedUris(container, { stdin }), signals)
    await Promise.race([task.start(), signals.interrupted])
    session.leave(task)
  } catch (error) {
    await session?.fail(signals, exitCodeOf(error))
    throw error
  } finally {
    signals.release()
  }
}

/** The outputs go to the log, and to their readers, if there are any. */
function loggedUris(
  { record, paths }: Startable,
  { stdin, ...readers }: Pick<StreamUris, 'stdin'> & Partial<StreamUris>,
): StreamUris {
  const bounds = record.logBounds ?? defaultLogBounds
  const uri = (stream: LogStream) => logUri({ path: paths.log, stream, bounds, reader: readers[stream] })
  return { stdin, stdout: uri('stdout'), stderr: record.terminal ? '' : uri('stderr') }
}

/** The FIFO for those who attach. */
function makeStdin(paths: RecordPaths): string {
  rmSync(dirname(paths.stdin), { recursive: true, force: true })
  mkdirSync(dirname(paths.stdin), { mode: 0o700 })
  makeFifo(paths.stdin)
  return paths.stdin
}

/** Prepares an existing container for its next start. */
export function prepareAgain(
  settings: Settings,
  before: ContainerRecord,
  { isKeeper, changes, checkpoint, isNew = false }: RunAgain,
): Startable {
  const { stateDir } = settings
  const { namespace, id, layers, disks } = before
  const paths = recordPaths(stateDir, namespace, id)
  if (checkpoint === undefined) rmSync(paths.saved, { recursive: true, force: true })
  forgetRun(paths.bundle)
  // It would show the health of the run before.
  forgetHealth(settings, before)
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
  return { record, paths, rootfs, ranBefore: !isNew, isKeeper, ...(checkpoint && { checkpoint }) }
}

/** Takes the name under the lock of the ports, or of its network. */
function prepare(settings: Settings, plan: ContainerPlan, detached: boolean): Promise<Startable> {
  const { freePorts = [], network = { ports: [] } } = plan
  if (freePorts.length === 0) return placed(settings, plan, detached)
  return takePorts(settings.stateDir, freePorts, network.ports, (found) =>
    placed(settings, { ...plan, network: { ...network, ports: [...network.ports, ...found] } }, detached),
  )
}

function placed(settings: Settings, plan: ContainerPlan, detached: boolean): Promise<Startable> {
  if (plan.place === undefined) return Promise.resolve(record(settings, plan, detached))
  return takePlace(settings, plan.place, ({ place, mac, limits }) => {
    const network = { ports: [], ...plan.network, ...limits, place, mac }
    return record(
      settings,
      { ...plan, network, etc: { ...plan.etc, addresses: addressesOn(place) } },
      detached,
    )
  })
}

/** Writes go into the container's directory, or to a disk in it; the layers stay as they are. */
function record(settings: Settings, plan: ContainerPlan, detached: boolean): Startable {
  const { id, command, image, imageId, layers, disks, isCopied, terminal, autoRemove, spec, overrides } = plan
  const { interactive, labels, logBounds, stopSignal, stopTimeout, configFile, restart, health, exposed } =
    plan
  const kept: ContainerRecord = {
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
  const paths = createRecord(settings.stateDir, kept)
  try {
    plan.onRecorded()
    replaceFile(bundleFile(paths.bundle, 'spec'), JSON.stringify(spec), { isFlushed: !autoRemove })
    writeOverrides(paths.bundle, overrides)
    writeEventLogWishes(paths.bundle, { stateDir: settings.stateDir, attributes: eventAttributes(kept) })
    if (plan.network !== undefined) writeNetworkWishes(paths.bundle, plan.network)
    noteEvent(settings, kept, 'create')
  } catch (error) {
    // Nothing else was taken for it yet, and nobody would give its name back.
    rmSync(paths.directory, { recursive: true, force: true })
    throw error
  }
  const { directory } = paths
  const fill = (upper: string) => writeEtcFiles(upper, layers, plan.etc)
  const rootfs = async (signal: AbortSignal) => {
    if (disks !== undefined) {
      await makeOwnDisks(disks, { container: id, directory, layers, fill, signal })
      return diskMounts(disks, directory)
    }
    makeUpper(layers, directory)
    fill(`${directory}/upper`)
    return [writableOverlay(layers, directory)]
  }
  return { record: kept, paths, rootfs, ranBefore: false }
}
