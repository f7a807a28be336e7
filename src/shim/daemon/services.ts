/** The pod of a shim, and the two services through which its client sees it. */
import { readEventLogWishes } from '../../bundle/event-log.ts'
import { writeFailure } from '../../bundle/failure.ts'
import type { KataError } from '../../errors.ts'
import { boundedJsonLines, createLogger, type Logger } from '../../log.ts'
import type { WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import { sandboxPaths, shimSocketPath } from '../../sandbox/records/paths.ts'
import { removeTaskRecord, writeTaskRecord } from '../../sandbox/records/task-records.ts'
import { isOwnClient, type ShimFlags } from '../flags.ts'
import type { MountShower } from '../late-mounts.ts'
import { readRuntimeOptions } from '../sandbox/runtime-options.ts'
import { SandboxService } from '../sandbox/sandbox-service.ts'
import { showMountsApart } from '../show-mounts.ts'
import { logEvents } from '../task/event-log.ts'
import { createPublisher, type EventPublisher, noEvents } from '../task/publisher.ts'
import { TaskService } from '../task/task-service.ts'
import type { TaskRecords } from '../task/task-table.ts'
import { createSandboxForTask } from './create-sandbox.ts'
import { Pod } from './pod.ts'

export interface ShimServices {
  readonly pod: Pod
  readonly tasks: TaskService
  readonly sandbox: SandboxService
  readonly events: EventPublisher
  /** Resolves when a client of either service is done with the shim. */
  readonly shutdownRequested: Promise<void>
}

export function makeServices({
  flags,
  runDir,
  log,
  machine,
  clientsNow,
}: {
  readonly flags: ShimFlags
  readonly runDir: string
  readonly log: Logger
  /** It waited in this shim for its pod. */
  readonly machine: WaitingMachine | undefined
  /** {@link TaskContext.clientsNow}. */
  readonly clientsNow: () => () => boolean
}): ShimServices {
  const shutdown = Promise.withResolvers<void>()
  const events = eventsFor(flags, log)
  // The pod tells the tasks of its machine's death, and the tasks' service needs the pod.
  let unused = machine
  const takeMachine = () => {
    const taken = unused
    unused = undefined
    return taken
  }
  const pod: Pod = makePod({ flags, runDir, log, tasks: () => tasks, takeMachine })
  const showMounts: MountShower = (bundle, client) => showMountsApart(flags, bundle, client)
  const isLate = machine !== undefined
  const tasks: TaskService = new TaskService({
    pod,
    events,
    records: recordsOf(flags, runDir),
    log,
    showMounts,
    isLate,
    clientsNow,
    namespace: flags.namespace,
    clientReturns: !isOwnClient(flags),
    complete: (spec) => sandbox.complete(spec),
  })
  const sandbox = new SandboxService({
    pod,
    ...(isLate && { showMounts }),
    runtimeOptions: () => readRuntimeOptions(flags.bundle),
    networkStats: () => tasks.networkStats(),
    onShutdown: shutdown.resolve,
  })
  const shutdownRequested = Promise.race([tasks.shutdownRequested, shutdown.promise])
  return { pod, tasks, sandbox, events, shutdownRequested }
}

/** The log of a shim, and of a sandbox whose configuration asks for no detail. */
export const shimLog = ({ id, debug }: ShimFlags): Logger =>
  createLogger({ ...(debug && { level: 'debug' }), sink: boundedJsonLines(2), fields: logFields(id) })

const logFields = (sandbox: string) => ({ sandbox, subsystem: 'shim' })

function makePod({
  flags,
  runDir,
  log,
  tasks,
  takeMachine,
}: {
  readonly flags: ShimFlags
  readonly runDir: string
  readonly log: Logger
  readonly tasks: () => TaskService
  /** Returns the machine that waited, once. */
  readonly takeMachine: () => WaitingMachine | undefined
}): Pod {
  const detailedLog = createLogger({ level: 'debug', sink: boundedJsonLines(2), fields: logFields(flags.id) })
  return new Pod({
    id: flags.id,
    createSandbox: (request, container, signal) =>
      createSandboxForTask({
        flags,
        runDir,
        request,
        container,
        log,
        signal,
        detailedLog,
        takeMachine,
      }),
    releaseUnused: async () => await takeMachine()?.release(),
    onDied: (error) => {
      reportDeath(flags.bundle, error, log)
      return tasks().died(error)
    },
    logged: () => tasks().logged(),
    onLeft: (error) => log.error('the sandbox left something', { error }),
    oom: {
      isKnown: (containerId) => tasks().has(containerId),
      onOom: (containerId) => tasks().oomKilled(containerId),
    },
  })
}

/** Without containerd's address, the client is the command line, which keeps a log of events, or CRI-O, which waits instead. */
function eventsFor({ address, namespace, bundle }: ShimFlags, log: Logger): EventPublisher {
  const { TTRPC_ADDRESS: eventsAddress = '' } = process.env
  if (address !== '' && eventsAddress !== '')
    return createPublisher({ address: eventsAddress, namespace, log })
  const wishes = readEventLogWishes(bundle)
  return wishes === undefined ? noEvents : logEvents(namespace, wishes)
}

function recordsOf({ namespace, id: sandboxId }: ShimFlags, runDir: string): TaskRecords {
  const paths = sandboxPaths(runDir, namespace, sandboxId)
  const address = `unix://${shimSocketPath(runDir, namespace, sandboxId)}`
  return {
    add: (task) =>
      writeTaskRecord(paths, { ...task, namespace, sandboxId, address, createdAt: new Date().toISOString() }),
    remove: (id) => removeTaskRecord(paths, id),
  }
}

/** Writes the reason where the client finds it: the exit status of a lost task says only that it was lost. */
function reportDeath(bundle: string, error: KataError, log: Logger): void {
  log.error('sandbox died', { error })
  try {
    writeFailure(bundle, 'failure', error)
  } catch (cause) {
    log.warn('that reason did not reach the client', { bundle, error: cause })
  }
}
