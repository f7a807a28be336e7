/**
 * `delete`: containerd runs it after the end of each task, and after the shim's death. It works from disk, is quick when there is
 * nothing to do, and leaves nothing behind even when it is killed itself (teardown.ts). It prints a DeleteResponse with 137, unless it
 * knows better: a process whose shim is gone was killed.
 */
import { existsSync, writeSync } from 'node:fs'
import { bundleFile } from '../bundle/files.ts'
import { readShimProcess } from '../bundle/shim-process.ts'
import { type ErrorCode, KataError } from '../errors.ts'
import { hasBegunAfter, isAlive, ownProcess, type ProcessRef } from '../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../linux/processes/signal.ts'
import { createLogger, type Logger } from '../log.ts'
import { readSandboxId } from '../oci/bundle.ts'
import { DeleteResponse } from '../protocol/generated/containerd/task.ts'
import { toTimestamp } from '../protocol/timestamp.ts'
import { tellShimDeath } from '../sandbox/end/shim-death.ts'
import { openLedger, ownerOf } from '../sandbox/end/teardown.ts'
import { removeDeadSocket } from '../sandbox/records/dead-socket.ts'
import { defaultRunDir, type SandboxPaths, sandboxPaths, shimSocketPath } from '../sandbox/records/paths.ts'
import { tasksOf } from '../sandbox/records/task-records.ts'
import type { ShimFlags } from './flags.ts'
import { answerMs, tearDownApart } from './teardown.ts'

const killedStatus = 137
/** How long a shim without a sandbox may take to end, milliseconds. */
const endMs = 1000

export async function deleteShim(flags: ShimFlags, cwd: string): Promise<number> {
  const bundle = flags.bundle || cwd
  const runDir = flags.runDir ?? defaultRunDir
  const log = createLogger({ level: 'warn', fields: { sandbox: flags.id, subsystem: 'shim-delete' } })
  // A pod's shim outlives each container of the pod.
  const sandboxId = podOf(bundle, log) ?? flags.id
  let ended: DeleteResponse | undefined
  const shim = shimOf(bundle, log)
  if (sandboxId === flags.id) {
    await endSandbox(flags, {
      bundle,
      shim,
      log,
      socket: shimSocketPath(runDir, flags.namespace, flags.id),
    })
  } else {
    const paths = sandboxPaths(runDir, flags.namespace, sandboxId)
    tellDeathOf(paths, log)
    ended = await endLeft(paths, flags.id, log)
  }
  const response = ended ?? {
    pid: shim !== undefined && isAlive(shim) ? shim.pid : 0,
    exitStatus: killedStatus,
    exitedAt: toTimestamp(new Date()),
  }
  writeSync(1, DeleteResponse.encode(response).finish())
  return 0
}

/**
 * A shim that began after this action is not the one that is meant. containerd runs `delete` whenever the connection to a shim ends, and
 * meanwhile its client may have started a container of the same id anew in the same place, as `docker restart` does.
 */
async function endSandbox(
  flags: ShimFlags,
  {
    bundle,
    shim,
    socket,
    log,
  }: {
    readonly bundle: string
    readonly shim: ProcessRef | undefined
    readonly socket: string
    readonly log: Logger
  },
): Promise<void> {
  if (shim !== undefined && isAlive(shim) && hasBegunAfter(shim, ownProcess())) {
    log.warn('a younger shim has this name, and is left alone', { pid: shim.pid })
    return
  }
  await tearDownApart(flags, bundle, log)
  // Without a sandbox it has not ended by that, and gives its name back now, unless it is too young to know the signal.
  if (shim !== undefined) {
    signalProcess(shim, 'SIGTERM')
    await waitGone(shim, endMs)
  }
  // That of another shim, which is about to be written down, stays.
  removeDeadSocket(socket)
}

/** The client asks for the containers of a pod in any order, and removes their bundles. */
function tellDeathOf(paths: SandboxPaths, log: Logger): void {
  try {
    const shim = ownerOf(openLedger(paths, log))
    if (shim !== undefined) tellShimDeath(paths, shim, log)
  } catch (error) {
    log.warn('whether the shim was killed is not told', { error })
  }
}

/** Ends a container that its pod still has. Usually the client has deleted it before. */
async function endLeft(paths: SandboxPaths, id: string, log: Logger): Promise<DeleteResponse | undefined> {
  const task = tasksOf(paths, log).find((known) => known.id === id)
  if (task === undefined) return undefined
  const { endTask } = await import('./end-task.ts')
  return endTask(task, { limitMs: Math.max(answerMs - performance.now(), 0), log })
}

/** The errors of a bundle that cannot be read. */
const unusable: ReadonlySet<ErrorCode> = new Set(['BUNDLE_INVALID', 'OCI_SPEC_INVALID'])

/** The container's pod. A client that was killed while writing the bundle leaves it incomplete, and had started nothing. */
function podOf(bundle: string, log: Logger): string | undefined {
  if (!existsSync(bundleFile(bundle, 'spec'))) return undefined
  try {
    return readSandboxId(bundle)
  } catch (error) {
    if (!(error instanceof KataError && unusable.has(error.code))) throw error
    log.warn('bundle cannot be read; it is taken for one of a single container', { error })
    return undefined
  }
}

/** The shim that the bundle names; undefined when that cannot be told. */
function shimOf(bundle: string, log: Logger): ProcessRef | undefined {
  try {
    return readShimProcess(bundle)
  } catch (error) {
    log.warn('which process the shim was cannot be read', { error })
    return undefined
  }
}
