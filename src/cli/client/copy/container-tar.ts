/** `tar` in a running container, as its root, with streams of our own. */
import { mkdirSync } from 'node:fs'
import { KataError } from '../../../errors.ts'
import type { Logger } from '../../../log.ts'
import { readBundleSpec } from '../../../oci/bundle.ts'
import { lastWords } from '../../../plain-text.ts'
import type { Settings } from '../../settings.ts'
import { attach } from '../attach.ts'
import { pathsOf } from '../external.ts'
import type { ByteSink } from '../output.ts'
import type { ContainerRecord } from '../record.ts'
import type { SignalCatcher } from '../signals.ts'
import { processSpec } from '../spec.ts'
import { attachStreams } from '../streams.ts'
import type { TaskClient } from '../task.ts'

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process'
/** The most that is kept of tar's error output, bytes. */
export const mostWords = 4096

export interface ContainerTar {
  /** The container's. */
  readonly name: string
  readonly log: Logger
  /**
   * Runs it to its end. What tar writes goes to `output`, at its pace.
   *
   * @throws KataError COPY_FAILED with the words of tar; what the shim throws.
   */
  run(args: readonly string[], streams: TarStreams): Promise<void>
}

export interface TarStreams {
  readonly input?: ReadableStream<Uint8Array>
  readonly output: ByteSink
}

export interface RunningContainer {
  readonly settings: Settings
  readonly record: ContainerRecord
  readonly task: TaskClient
  readonly signals: SignalCatcher
}

export function containerTar(container: RunningContainer): ContainerTar {
  const { settings, record } = container
  return { name: record.id, log: settings.log, run: (args, streams) => runTar(container, args, streams) }
}

async function runTar(
  { settings, record, task, signals }: RunningContainer,
  args: readonly string[],
  { input, output }: TarStreams,
): Promise<void> {
  const { io, bundle } = pathsOf(settings, record)
  const execId = `copy-${crypto.randomUUID().slice(0, 8)}`
  mkdirSync(io, { recursive: true, mode: 0o700 })
  let said = ''
  const errors = {
    write: async (chunk: Uint8Array) => {
      said = (said + Buffer.from(chunk).toString()).slice(-mostWords)
    },
  }
  const interactive = input !== undefined
  const streams = attachStreams({
    directory: `${io}/${execId}`,
    interactive,
    terminal: false,
    output,
    errors,
    input: input ?? new ReadableStream(),
  })
  const root = { args: ['tar', ...args], terminal: false, env: {}, user: { uid: 0, gid: 0 }, workdir: '/' }
  const process = processSpec(readBundleSpec(bundle).process ?? {}, root, {})
  const spec = { typeUrl: processType, value: new TextEncoder().encode(JSON.stringify(process)) }
  const { log, tell } = settings
  const name = record.id
  try {
    await Promise.race([task.exec({ execId, terminal: false, spec, ...streams.uris }), signals.interrupted])
    const run = attach({ task, id: name, execId, streams, signals, interactive, terminal: false, log, tell })
    const code = await Promise.race([run, signals.interrupted])
    if (code !== 0) throw new KataError('COPY_FAILED', { name, reason: lastWords(said) })
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'COMMAND_NOT_FOUND')) throw error
    throw new KataError('COPY_FAILED', { name, reason: 'it has no tar' }, { cause: error })
  } finally {
    await task.delete(execId).catch((error) => log.debug('exec not deleted', { error }))
    streams.close()
  }
}
