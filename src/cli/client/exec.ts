/** Runs an additional process in a running container, from Exec to Delete. */
import { mkdirSync } from 'node:fs'
import type { OciProcess } from '../../oci/spec.ts'
import type { Settings } from '../settings.ts'
import { attach } from './attach.ts'
import type { SignalCatcher } from './signals.ts'
import { type AttachOptions, attachStreams } from './streams.ts'
import type { TaskClient } from './task.ts'

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process'

/** The process in the form that Exec takes. */
export const execSpec = (process: OciProcess) => ({
  typeUrl: processType,
  value: new TextEncoder().encode(JSON.stringify(process)),
})

export interface ExecRequest {
  readonly task: TaskClient
  /** The container's id. */
  readonly id: string
  readonly execId: string
  readonly process: OciProcess
  /** The container's directory for FIFOs. */
  readonly io: string
  readonly streams: Pick<AttachOptions, 'interactive' | 'detachKeys' | 'input' | 'output' | 'errors'>
  readonly signals: SignalCatcher
  readonly settings: Pick<Settings, 'log' | 'tell'>
}

/**
 * Runs the process with the caller attached, and calls `use` with the promise of {@link attach}. Afterwards the shim forgets the process; if the
 * caller has detached, when the process has ended.
 *
 * @throws errors of `use` and {@link attach}; Interrupted. An interruption before the process is made starts nothing.
 */
export async function withExec<T>(
  { task, id, execId, process, io, streams: asked, signals, settings: { log, tell } }: ExecRequest,
  use: (exited: Promise<number | undefined>) => Promise<T>,
): Promise<T> {
  const { terminal = false } = process
  const { interactive } = asked
  mkdirSync(io, { recursive: true, mode: 0o700 })
  const directory = `${io}/exec-${crypto.randomUUID()}`
  const streams = attachStreams({ ...asked, directory, terminal })
  const made = task.exec({ execId, terminal, spec: execSpec(process), ...streams.uris })
  const forget = () => task.delete(execId)
  let exited: Promise<number | undefined> | undefined
  try {
    await Promise.race([made, signals.interrupted])
    exited = attach({ task, id, execId, streams, signals, interactive, terminal, log, tell })
    return await Promise.race([use(exited), signals.interrupted])
  } finally {
    // After a refused Exec there is no Delete, because the id may be another command's. A process that died with its container is forgotten
    // already.
    await made.then(forget).catch((error) => {
      log.debug('exec not deleted', { error })
      // A killed process may take a while to end. The shim would forget it only when this process ends, and a monitor lives as long as its
      // container.
      exited?.then(forget).catch(() => {})
    })
    streams.close()
  }
}
