/** The life of a container as its client lives it: claim the name, start the shim, Create, Start, Wait, Delete. */
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

/** Which streams of the command a container in the foreground is attached to. */
export interface Attached {
  readonly streams: ReadonlySet<'stdin' | 'stdout' | 'stderr'>
  /** Signals go to the container; otherwise the first one leaves it. */
  readonly passesSignals: boolean
}

/** What is to be started; `signal` ends what it waits for. */
type MakeContainer = (signal: AbortSignal) => Startable | Promise<Startable>

const dropped: ByteSink = { write: async () => {} }

/** Runs the container that `make` makes in the foreground and returns the exit code of its process. */
export async function runAttached(
  settings: Settings,
  plan: Pick<ContainerPlan, 'id' | 'terminal' | 'interactive' | 'detachKeys'>,
  { streams: wanted, passesSignals }: Attached,
  make: MakeContainer,
): Promise<number> {
  // Before anything is made: from here on a signal ends this process in an orderly way.
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

/** A container whose shim died has run: that is an end as any other, and its files stay. @throws `error`, when it is another one. */
function codeOfLost(settings: Settings, error: unknown): number {
  if (!(error instanceof KataError && error.code === 'SHIM_DIED')) throw error
  tellError(settings, error)
  return exitCodeOf(error)
}

/** Cleans up after `error`. What made the start fail is told even where this fails, too. */
async function failed(
  settings: Settings,
  session: Session | undefined,
  { error, signals, exitCode }: { error: unknown; signals: SignalCatcher; exitCode?: number },
): Promise<void> {
  try {
    await session?.fail(signals, exitCode)
  } catch (ofCleanUp) {
    // A clean-up that is tried a second time fails for the same reason.
    if (explain(error) !== explain(ofCleanUp)) tellError(settings, error)
    throw ofCleanUp
  }
}

/** Makes the container, whose machine a later start makes. */
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

/**
 * Starts an ended container again, in the background: a new machine with the root file system that it left. Its former machine must be
 * gone.
 */
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
