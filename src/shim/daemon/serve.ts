/** The daemon: serves the Task and Sandbox services of one sandbox on the socket that `start` bound, until its client is done. */
import { existsSync, rmSync } from 'node:fs'
import { writeFailure } from '../../bundle/failure.ts'
import { KataError } from '../../errors.ts'
import { createLogger, type Logger } from '../../log.ts'
import { SandboxDefinition } from '../../protocol/generated/containerd/sandbox.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { assertRightsDropped } from '../../rootless/shim-rights.ts'
import { defaultRunDir, sandboxPaths } from '../../sandbox/records/paths.ts'
import { removeTaskRecord, writeTaskRecord } from '../../sandbox/records/task-records.ts'
import { sleep } from '../../time.ts'
import { listen } from '../../ttrpc/bun.ts'
import { serve, service } from '../../ttrpc/ttrpc.ts'
import { isOwnClient, type ShimFlags } from '../flags.ts'
import { readRuntimeOptions } from '../sandbox/runtime-options.ts'
import { SandboxService } from '../sandbox/sandbox-service.ts'
import { shimSocketPath } from '../start.ts'
import { createPublisher, type EventPublisher, noEvents } from '../task/publisher.ts'
import { type TaskRecords, TaskService } from '../task/task-service.ts'
import { createSandboxForTask } from './create-sandbox.ts'
import { collectWhenIdle, watched } from './idle.ts'
import { Pod } from './pod.ts'
import { toStatus } from './status.ts'
import { onUnhandled } from './unhandled.ts'

/** `start` hands the listening socket over as the first descriptor after the standard streams. */
const listenerFd = 3
/**
 * How often a shim checks that it has a task or a client, milliseconds. A shim that has neither twice in a row exits. A client that
 * was killed between `start` and its first call leaves such a shim, with no trace on disk. So does a bundle that was removed while
 * its tasks had ended: no client can find the shim to ask for their exit.
 */
const abandonedMs = 10_000
/** How long delivery of the last events may take, milliseconds: containerd may be gone. */
const flushMs = 2000

/** Its messages are those of version 2. */
const taskV3 = { ...TaskDefinition, fullName: 'containerd.task.v3.Task' }

export async function serveShim(flags: ShimFlags): Promise<number> {
  assertRightsDropped()
  const runDir = flags.runDir ?? defaultRunDir
  const fields = { sandbox: flags.id, subsystem: 'shim' }
  const detailedLog = createLogger({ level: 'debug', fields })
  const log = flags.debug ? detailedLog : createLogger({ fields })
  const events = eventsFor(flags, log)
  const pod = new Pod({
    id: flags.id,
    createSandbox: (request, container, signal) =>
      createSandboxForTask({ flags, runDir, request, container, log, signal, detailedLog }),
    onDied: (error) => {
      reportDeath(flags.bundle, error, log)
      return tasks.died(error)
    },
    onLeft: (error) => log.error('the sandbox left something', { error }),
    oom: {
      isKnown: (containerId) => tasks.has(containerId),
      onOom: (containerId) => tasks.oomKilled(containerId),
    },
  })
  const tasks: TaskService = new TaskService({
    ...{ pod, events, records: recordsOf(flags, runDir), log },
    clientReturns: !isOwnClient(flags),
    complete: (spec) => sandbox.complete(spec),
  })
  const shutDown = Promise.withResolvers<void>()
  const sandbox = new SandboxService({
    pod,
    runtimeOptions: () => readRuntimeOptions(flags.bundle),
    networkStats: () => tasks.networkStats(),
    onShutdown: shutDown.resolve,
  })
  const terminated = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  const failed = Promise.withResolvers<void>()
  onUnhandled(log, failed.resolve)
  // The daemon has its own session; a closed terminal is no reason to exit.
  process.on('SIGHUP', () => {})
  const abandoned = Promise.withResolvers<void>()
  let clients = 0
  let wasAlone = false
  setInterval(() => {
    const isForgotten = tasks.isOver && !existsSync(flags.bundle)
    const isAlone = clients === 0 && (tasks.isIdle || isForgotten)
    if (isAlone && wasAlone) abandoned.resolve()
    wasAlone = isAlone
  }, abandonedMs)
  // containerd 2 calls the same service by another name, unless `start` answered with version 2.
  const services = [
    ...[TaskDefinition, taskV3].map((definition) => service(definition, tasks)),
    service(SandboxDefinition, sandbox),
  ]
  const busy = collectWhenIdle(() => Bun.gc(true))
  busy()
  const listener = listen({ fd: listenerFd }, (transport) => {
    clients++
    const onError = (error: unknown, call?: { method: string }) => logFailure(log, error, call)
    void serve(watched(transport, busy), services, { toStatus, onError }).closed.then(() => clients--)
  })
  await Promise.race([
    tasks.shutdownRequested,
    shutDown.promise,
    terminated,
    abandoned.promise,
    failed.promise,
  ])
  await pod.stopAnyway()
  await events.flush(flushMs)
  listener.stop()
  rmSync(shimSocketPath(runDir, flags.namespace, flags.id), { force: true })
  // The answer to Shutdown leaves before the process exits.
  await sleep(1)
  return 0
}

/** Without containerd's address, the client is the command line or CRI-O, which wait instead of listening for events. */
function eventsFor({ address, namespace }: ShimFlags, log: Logger): EventPublisher {
  const { TTRPC_ADDRESS: eventsAddress = '' } = process.env
  return address === '' || eventsAddress === ''
    ? noEvents
    : createPublisher({ address: eventsAddress, namespace, log })
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

/** Clients make calls to find out whether something still exists. */
function logFailure(log: Logger, error: unknown, call: { method: string } | undefined): void {
  const level = error instanceof KataError && error.status === 'not_found' ? 'debug' : 'warn'
  log[level]('call failed', { method: call?.method, error })
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
