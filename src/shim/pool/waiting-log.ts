/** The log of a shim that waits, which goes on as that of its machine once a pod has taken it. */
import { boundedJsonLines, createLogger, jsonLines, type Logger } from '../../log.ts'
import { poolName } from '../../sandbox/records/paths.ts'

export interface WaitingLog {
  readonly log: Logger
  /** To be called once the descriptor is the log of that pod's shim. */
  becomePods(pod: string): void
}

/** Lines for the pool server's standard error, which has its bounds elsewhere. The log of a pod's shim has them here. */
export function waitingLog(
  id: string,
  { fd = 2, mostBytes }: { readonly fd?: number; readonly mostBytes?: number } = {},
): WaitingLog {
  // The pod's name takes the place of the machine's in what is still to be logged.
  const fields = { sandbox: `${poolName}/${id}`, subsystem: 'shim' }
  let sink = jsonLines(fd)
  return {
    log: createLogger({ fields, sink: (record) => sink(record) }),
    becomePods(pod) {
      fields.sandbox = pod
      sink = boundedJsonLines(fd, mostBytes)
    },
  }
}
