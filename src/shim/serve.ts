/** The daemon: serves the Task service of one sandbox on the socket that `start` bound, until its client is done. */
import { rmSync, writeFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { createLogger, type Logger } from '../log.ts'
import { TaskDefinition } from '../protocol/generated/containerd/task.ts'
import { defaultRunDir } from '../sandbox/paths.ts'
import { listen } from '../ttrpc/bun.ts'
import { type Status, serve, service } from '../ttrpc/ttrpc.ts'
import { createSandboxForTask } from './create-sandbox.ts'
import type { ShimFlags } from './flags.ts'
import { assertRightsDropped } from './rights.ts'
import { shimSocketPath } from './start.ts'
import { TaskService } from './task-service.ts'

/** `start` hands the listening socket over as the first descriptor after the standard streams. */
const listenerFd = 3
/** How often a shim looks whether it has neither task nor client any more, and then ends by itself, milliseconds. */
const abandonedMs = 60_000

export async function serveShim(flags: ShimFlags): Promise<number> {
  assertRightsDropped()
  const runDir = flags.runDir ?? defaultRunDir
  const fields = { sandbox: flags.id, subsystem: 'shim' }
  const detailedLog = createLogger({ level: 'debug', fields })
  const log = flags.debug ? detailedLog : createLogger({ fields })
  const tasks = new TaskService({
    sandboxId: flags.id,
    createSandbox: (request, spec) =>
      createSandboxForTask({ flags, runDir, request, spec, log, detailedLog }),
    onSandboxDied: (error) => reportDeath(flags.bundle, error, log),
    log,
  })
  const terminated = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  // Its own session already; a closed terminal is no reason to end.
  process.on('SIGHUP', () => {})
  const abandoned = Promise.withResolvers<void>()
  let clients = 0
  setInterval(() => clients === 0 && tasks.isIdle && abandoned.resolve(), abandonedMs)
  const services = [service(TaskDefinition, tasks)]
  const listener = listen({ fd: listenerFd }, (transport) => {
    clients++
    const onError = (error: unknown, call?: { method: string }) => logFailure(log, error, call)
    void serve(transport, services, { toStatus, onError }).closed.then(() => clients--)
  })
  await Promise.race([tasks.shutdownRequested, terminated, abandoned.promise])
  await tasks.stopSandbox()
  listener.stop()
  rmSync(shimSocketPath(runDir, flags.namespace, flags.id), { force: true })
  // Lets the answer to Shutdown leave before the process goes.
  await Bun.sleep(1)
  return 0
}

/** Catalogue errors keep their text and status on the wire; anything else is internal. */
function toStatus(error: unknown): Status | undefined {
  if (error instanceof KataError) return { code: error.status, message: error.message }
  return undefined
}

function logFailure(log: Logger, error: unknown, call: { method: string } | undefined): void {
  log.warn('call failed', {
    method: call?.method,
    error: error instanceof Error ? error.message : String(error),
  })
}

/** Leaves the reason where the client finds it: the exit status of a lost task says only that it was lost. */
function reportDeath(bundle: string, error: KataError, log: Logger): void {
  log.error('sandbox died', { code: error.code, error: error.message })
  writeFileSync(`${bundle}/failure.json`, JSON.stringify({ code: error.code, message: error.message }), {
    mode: 0o600,
  })
}
