/** A process beside the main one of a container that runs, from its Exec to its Delete. */
import { mkdirSync } from 'node:fs'
import type { OciProcess } from '../../oci/spec.ts'
import type { Settings } from '../settings.ts'
import { attach } from './attach.ts'
import type { SignalCatcher } from './signals.ts'
import { type AttachOptions, attachStreams } from './streams.ts'
import type { TaskClient } from './task.ts'

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process'

/** The process as Exec takes it. */
export const execSpec = (process: OciProcess) => ({
  typeUrl: processType,
  value: new TextEncoder().encode(JSON.stringify(process)),
})

export interface ExecRequest {
  readonly task: TaskClient
  /** The container's. */
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
 * Runs the process with the caller attached to it, and gives `use` what {@link attach} resolves with. The shim forgets the process once `use`
 * is done with it; later, when it was left.
 *
 * @throws what `use` and {@link attach} throw; Interrupted: who is interrupted before the process is made starts nothing.
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
    // When it died with its container there is nothing to forget, and one that was refused may be another command's.
    await made.then(forget).catch((error) => {
      log.debug('exec not deleted', { error })
      // One that was killed may take its time. Its shim forgets what has ended only once this process has, and a monitor lives as long as its container.
      exited?.then(forget).catch(() => {})
    })
    streams.close()
  }
}
