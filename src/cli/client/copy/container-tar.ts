/** `tar` in a running container, as its root, with streams of our own. */
import { KataError } from '../../../errors.ts'
import type { Logger } from '../../../log.ts'
import { readBundleSpec } from '../../../oci/bundle.ts'
import { lastWords } from '../../../plain-text.ts'
import type { Settings } from '../../settings.ts'
import { withExec } from '../exec.ts'
import { pathsOf } from '../external.ts'
import type { ByteSink } from '../output.ts'
import type { ContainerRecord } from '../record.ts'
import type { SignalCatcher } from '../signals.ts'
import { processSpec } from '../spec.ts'
import type { TaskClient } from '../task.ts'

/** The most that is kept of tar's error output, bytes. */
export const mostWords = 4096

export interface ContainerTar {
  /** The container's. */
  readonly name: string
  readonly log: Logger
  /**
   * Runs `tar` with its arguments, or a shell that becomes one, to its end. What tar writes goes to `output`, at its pace.
   *
   * @throws KataError COPY_FAILED with the words of tar; what the shim throws.
   */
  run(command: readonly string[], streams: TarStreams): Promise<void>
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
  return {
    name: record.id,
    log: settings.log,
    run: (command, streams) => runTar(container, command, streams),
  }
}

/** The reason where the command was not found. */
export const noTar = ([program]: readonly string[]): string =>
  program === 'tar' ? 'it has no tar' : 'it has no sh, or no tar'

async function runTar(
  { settings, record, task, signals }: RunningContainer,
  args: readonly string[],
  { input, output }: TarStreams,
): Promise<void> {
  const { io, bundle } = pathsOf(settings, record)
  const { id } = record
  let said = ''
  const errors = {
    write: async (chunk: Uint8Array) => {
      said = (said + Buffer.from(chunk).toString()).slice(-mostWords)
    },
  }
  const root = { args, terminal: false, env: {}, user: { uid: 0, gid: 0 }, workdir: '/' }
  const request = {
    ...{ task, id, io, signals, settings },
    execId: `copy-${crypto.randomUUID().slice(0, 8)}`,
    process: processSpec(readBundleSpec(bundle).process ?? {}, root, {}),
    streams: { interactive: input !== undefined, input: input ?? new ReadableStream(), output, errors },
  }
  try {
    const code = await withExec(request, (exited) => exited)
    if (code !== 0) throw new KataError('COPY_FAILED', { name: id, reason: lastWords(said) })
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'COMMAND_NOT_FOUND')) throw error
    throw new KataError('COPY_FAILED', { name: id, reason: noTar(args) }, { cause: error })
  }
}
