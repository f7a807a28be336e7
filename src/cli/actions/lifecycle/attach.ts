import { KataError } from '../../../errors.ts'
import { attach, requireTerminal } from '../../client/attach.ts'
import { isExternal } from '../../client/external.ts'
import { noteSignal } from '../../client/life/restarts.ts'
import { logStreams } from '../../client/logs/streams.ts'
import { recordPaths } from '../../client/record.ts'
import { catchSignals } from '../../client/signals.ts'
import type { AttachFlags } from '../../commands/lifecycle/attach.ts'
import { defaultDetachKeys, parseDetachKeys } from '../../parse/detach-keys.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord } from '../containers.ts'

/** The exit code of the container, or 0 when the person has left it again. */
export async function attachTo(settings: Settings, flags: AttachFlags, name: string): Promise<number> {
  const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'attached to' })
  if (!record.detached) throw new KataError('ATTACH_ELSEWHERE', { name })
  const { id, terminal } = record
  const interactive = flags.stdin && record.interactive === true
  requireTerminal({ interactive, terminal })
  const task = await connectRunning(record)
  const signals = catchSignals()
  const { log: path, stdin } = recordPaths(settings.stateDir, record.namespace, id)
  const streams = logStreams({
    log: path,
    input: interactive ? { fifo: stdin, from: 0 } : undefined,
    detachKeys: terminal ? detachKeys : new Uint8Array(),
  })
  const { log, tell } = settings
  const onSignal = (signal: number) => noteSignal(settings, record, signal)
  const person = { signals, interactive, terminal, log, tell, onSignal }
  const asked = { task, id, execId: '', isStarted: true, streams, ...person }
  try {
    return (await attach(asked)) ?? 0
  } finally {
    signals.release()
    streams.close()
    task.close()
  }
}
