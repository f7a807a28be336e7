import { KataError } from '../../../errors.ts'
import { attach, requireTerminal } from '../../client/attach.ts'
import { isExternal } from '../../client/external.ts'
import { ensureOneMonitor } from '../../client/life/monitor.ts'
import { sendAsPerson } from '../../client/life/person-signal.ts'
import { hasLog } from '../../client/logs/reader.ts'
import { logStreams } from '../../client/logs/streams.ts'
import { type ContainerRecord, recordPaths } from '../../client/record.ts'
import { catchSignals } from '../../client/signals.ts'
import { observe } from '../../client/status.ts'
import type { AttachedStreams } from '../../client/streams.ts'
import { isSavedNow } from '../../client/suspended.ts'
import type { TaskClient } from '../../client/task.ts'
import type { AttachFlags } from '../../commands/lifecycle/attach.ts'
import { defaultDetachKeys, parseDetachKeys } from '../../parse/detach-keys.ts'
import { parseBoolean } from '../../parse/number.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord } from '../containers.ts'
import { startOne } from './start.ts'

/** The exit code of the container, or 0 when the person has left it again, or it was suspended. */
export async function attachTo(settings: Settings, flags: AttachFlags, name: string): Promise<number> {
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'attached to' })
  // What a client of an earlier version reads, nobody else sees.
  if (!hasLog(record, recordPaths(settings.stateDir, record.namespace, record.id)))
    throw new KataError('ATTACH_ELSEWHERE', { name })
  const connect = async () => {
    const task = await connectRunning(record)
    await ensureOneMonitor(settings, record)
    return task
  }
  return attachBy(settings, flags, record, { connect, endsInput: false })
}

/** Starts a container that does not run, with the caller attached from its first output on. */
export async function startAttached(settings: Settings, flags: AttachFlags, name: string): Promise<number> {
  const record = findRecord(settings, name)
  const { status } = await observe(record)
  if (status === 'running' || status === 'paused') return attachTo(settings, flags, name)
  const connect = async () => {
    await startOne(settings, name)
    return connectRunning(findRecord(settings, name), ['running', 'paused', 'stopped'])
  }
  return attachBy(settings, flags, record, { connect, endsInput: !record.terminal })
}

interface Attaching {
  /** Called once all that the container prints from now on is seen. */
  connect(): Promise<TaskClient>
  /** The end of our input is that of the container's, as docker has it for who has started it. */
  readonly endsInput: boolean
}

async function attachBy(
  settings: Settings,
  flags: AttachFlags,
  record: ContainerRecord,
  { connect, endsInput }: Attaching,
): Promise<number> {
  const isProxy = flags.sigProxy === undefined || parseBoolean(flags.sigProxy, '--sig-proxy')
  const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
  const { id, terminal, namespace } = record
  // Ctrl-C is a byte at a terminal. A signal is for this command there, above all the one of a terminal that is closed.
  const passesSignals = isProxy && !terminal
  const interactive = flags.stdin && record.interactive === true
  requireTerminal({ interactive, terminal })
  const { log: path, stdin } = recordPaths(settings.stateDir, namespace, id)
  let task: TaskClient | undefined
  const endInput = () =>
    void task?.closeInput().catch((error) => settings.log.debug('input was not ended', { error }))
  const streams = logStreams({
    log: path,
    input: interactive ? { fifo: stdin, from: 0, onEnd: endsInput ? endInput : undefined } : undefined,
    detachKeys: terminal ? detachKeys : new Uint8Array(),
  })
  try {
    task = await connect()
    return await attachWith(settings, record, streams, { interactive, passesSignals }, task)
  } finally {
    streams.close()
  }
}

async function attachWith(
  settings: Settings,
  record: ContainerRecord,
  streams: AttachedStreams,
  wishes: { interactive: boolean; passesSignals: boolean },
  task: TaskClient,
): Promise<number> {
  const { id, terminal } = record
  const { log, tell, gone } = settings
  const signals = catchSignals()
  const sendSignal = (signal: number, send: () => Promise<void>) =>
    sendAsPerson(settings, record, signal, send)
  const asked = {
    task,
    id,
    execId: '',
    isStarted: true,
    streams,
    signals,
    terminal,
    log,
    tell,
    sendSignal,
    gone,
  }
  try {
    const code = (await attach({ ...asked, ...wishes })) ?? 0
    if (!isSavedNow(settings, record)) return code
    tell(`container ${id} was suspended: \`kata-ts resume ${id}\` continues it`)
    return 0
  } finally {
    signals.release()
    task.close()
  }
}
