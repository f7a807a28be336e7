/** The life of a container as its client drives it: claim the name, start the shim, Create, Start, Wait, Delete. */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import type { LogStream } from '../../sandbox/records/container-log.ts'
import { heldInput } from '../../sandbox/records/held-input.ts'
import { logUri } from '../../sandbox/records/log-files.ts'
import { exitCodeOf } from '../exit-code.ts'
import { explain, tellError } from '../explain.ts'
import { defaultLogBounds } from '../parse/log-options.ts'
import type { Settings } from '../settings.ts'
import { attach } from './attach.ts'
import type { ContainerPlan } from './container-plan.ts'
import { watchHealth } from './life/health.ts'
import { sendAsPerson } from './life/person-signal.ts'
import { Session, type Startable } from './life/session.ts'
import type { ByteSink } from './output.ts'
import { prepareAgain, prepareNew, type RunAgain } from './prepare.ts'
import { type ContainerRecord, type RecordPaths, updateRecord } from './record.ts'
import { abortOnInterruption, abortOnSignal, catchSignals, type SignalCatcher } from './signals.ts'
import { type AttachedStreams, attachStreams, type StreamUris } from './streams.ts'

/** The streams of the command that a container in the foreground is attached to. */
export interface Attached {
  readonly streams: ReadonlySet<'stdin' | 'stdout' | 'stderr'>
  /** Whether signals go to the container. Otherwise the first one detaches. */
  readonly passesSignals: boolean
}

/** Makes the container to be started. `signal` interrupts waiting. */
type MakeContainer = (signal: AbortSignal) => Startable | Promise<Startable>

const dropped: ByteSink = { write: async () => {} }

/** Runs the container that `make` makes in the foreground and returns the exit code of its process. */
export async function runAttached(
  settings: Settings,
  plan: Pick<ContainerPlan, 'id' | 'terminal' | 'interactive' | 'detachKeys'>,
  { streams: wanted, passesSignals }: Attached,
  make: MakeContainer,
): Promise<number> {
  // Signals are caught before anything is made: from here on they end this process in an orderly way.
  const signals = catchSignals()
  let streams: AttachedStreams | undefined
  let session: Session | undefined
  const over = new AbortController()
  try {
    const container = await make(abortOnInterruption(signals))
    session = new Session(settings, container)
    const { id, terminal } = plan
    const interactive = plan.interactive && wanted.has('stdin')
    const { paths } = container
    // The log's existence tells other commands that they can attach.
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
    const sendSignal = (signal: number, send: () => Promise<void>) =>
      sendAsPerson(settings, container.record, signal, send)
    const asked = { task, id, execId: '', streams, signals, interactive, terminal, log, tell, sendSignal }
    const run = attach({ ...asked, passesSignals }).catch((error) => codeOfLost(settings, error))
    void watchHealth(settings, container.record, task, over.signal)
    const exitCode = await Promise.race([run, signals.interrupted])
    over.abort()
    if (exitCode === undefined) return session.handOver(task)
    session.reportFailure(exitCode)
    return await session.end(exitCode, signals)
  } catch (error) {
    await failed(settings, session, { error, signals })
    throw error
  } finally {
    over.abort()
    streams?.close()
    signals.release()
  }
}

/**
 * The exit code if the shim has died: the container has run, so it ends like any other and keeps its files. @throws `error` if it is another
 * one.
 */
function codeOfLost(settings: Settings, error: unknown): number {
  if (!(error instanceof KataError && error.code === 'SHIM_DIED')) throw error
  tellError(settings, error)
  return exitCodeOf(error)
}

/** Cleans up after `error`. If the clean-up fails as well, the original error is printed. */
async function failed(
  settings: Settings,
  session: Session | undefined,
  { error, signals, exitCode }: { error: unknown; signals: SignalCatcher; exitCode?: number },
): Promise<void> {
  try {
    await session?.fail(signals, exitCode)
  } catch (ofCleanUp) {
    // A clean-up that is tried again fails for the same reason, which is then printed only once.
    if (explain(error) !== explain(ofCleanUp)) tellError(settings, error)
    throw ofCleanUp
  }
}

/** Makes the container without starting it. */
export async function createOnly(settings: Settings, plan: ContainerPlan): Promise<void> {
  const signals = catchSignals()
  const signal = abortOnSignal(signals)
  let session: Session | undefined
  try {
    const container = await prepareNew(settings, plan, { detached: true, signal })
    const { namespace, id } = container.record
    session = new Session(settings, container)
    await container.rootfs(signal)
    signal.throwIfAborted()
    updateRecord(settings.stateDir, namespace, id, { status: 'created', owner: undefined })
  } catch (error) {
    await failed(settings, session, { error, signals })
    throw error
  } finally {
    signals.release()
  }
}

/** Starts the container and leaves it to its shim, which keeps its exit code until it is removed. */
export function runDetached(settings: Settings, plan: ContainerPlan): Promise<void> {
  return detach(settings, (signal) => prepareNew(settings, plan, { detached: true, signal }))
}

/** Starts a stopped container again in the background, in a new machine with the same root file system. Its former machine must be gone. */
export function runAgain(settings: Settings, record: ContainerRecord, how: RunAgain): Promise<void> {
  return detach(settings, () => prepareAgain(settings, record, how))
}

/** Starts the container that `make` makes and leaves it to its shim. */
export async function detach(settings: Settings, make: MakeContainer): Promise<void> {
  const signals = catchSignals()
  let session: Session | undefined
  try {
    const container = await make(abortOnInterruption(signals))
    const { record, paths } = container
    session = new Session(settings, container)
    const stdin = record.interactive ? heldInput(makeStdin(paths)) : ''
    const task = await session.create(loggedUris(container, { stdin }), signals)
    await Promise.race([task.start(), signals.interrupted])
    session.leave(task)
  } catch (error) {
    await failed(settings, session, { error, signals, exitCode: exitCodeOf(error) })
    throw error
  } finally {
    signals.release()
  }
}

/** URIs that send the outputs to the log, and to their readers, if any. */
function loggedUris(
  { record, paths }: Startable,
  { stdin, ...readers }: Pick<StreamUris, 'stdin'> & Partial<StreamUris>,
): StreamUris {
  const bounds = record.logBounds ?? defaultLogBounds
  const uri = (stream: LogStream) => logUri({ path: paths.log, stream, bounds, reader: readers[stream] })
  return { stdin, stdout: uri('stdout'), stderr: record.terminal ? '' : uri('stderr') }
}

/** Makes the FIFO for input of clients that attach. */
function makeStdin(paths: RecordPaths): string {
  rmSync(dirname(paths.stdin), { recursive: true, force: true })
  mkdirSync(dirname(paths.stdin), { mode: 0o700 })
  makeFifo(paths.stdin)
  return paths.stdin
}
