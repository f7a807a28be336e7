/** Keeps what a container in the foreground prints, for `logs`: its shim gives it to this process, and to no file. */
import { describeError } from '../../../errors.ts'
import { type LogStream, openContainerLog } from '../../../sandbox/records/container-log.ts'
import { defaultLogBounds } from '../../parse/log-options.ts'
import type { Settings } from '../../settings.ts'
import type { ByteSink } from '../output.ts'
import type { ContainerRecord, RecordPaths } from '../record.ts'

export interface KeptOutput extends Disposable {
  /** What is written to the result goes to the log and to `shown`. */
  beside(stream: LogStream, shown: ByteSink): ByteSink
}

/** The log is there from now on. A write that has no room is told once, and ends nothing. @throws errors of open(2). */
export function keepOutput(
  { tell }: Pick<Settings, 'tell'>,
  { id, logBounds = defaultLogBounds }: Pick<ContainerRecord, 'id' | 'logBounds'>,
  { log: path }: Pick<RecordPaths, 'log'>,
): KeptOutput {
  const logs = {
    stdout: openContainerLog(path, 'stdout', logBounds),
    stderr: openContainerLog(path, 'stderr', logBounds),
  }
  let isLossy = false
  const keep = (stream: LogStream, chunk: Uint8Array) => {
    try {
      logs[stream].write(chunk)
    } catch (error) {
      if (!isLossy) tell(`warning: the log of container ${id} has lost output: ${describeError(error)}`)
      isLossy = true
    }
  }
  return {
    beside: (stream, shown) => ({
      write(chunk) {
        keep(stream, chunk)
        return shown.write(chunk)
      },
    }),
    [Symbol.dispose]() {
      for (const log of Object.values(logs)) log.close()
    },
  }
}
