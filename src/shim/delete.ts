/**
 * `delete`: containerd runs it after the end of each task, and after the shim's death. It works from disk, is quick when there is
 * nothing to do, and leaves nothing behind even when it is killed itself (teardown.ts). It prints a DeleteResponse with 137, unless it
 * knows better: a process whose shim is gone was killed.
 */
import { existsSync, rmSync, writeSync } from 'node:fs'
import { bundleFile } from '../bundle/files.ts'
import { readShimProcess } from '../bundle/shim-process.ts'
import { type ErrorCode, KataError } from '../errors.ts'
import { isAlive } from '../linux/processes/proc.ts'
import { createLogger, type Logger } from '../log.ts'
import { readSandboxId } from '../oci/bundle.ts'
import { DeleteResponse } from '../protocol/generated/containerd/task.ts'
import { toTimestamp } from '../protocol/timestamp.ts'
import { tellShimDeath } from '../sandbox/end/shim-death.ts'
import { openLedger, ownerOf } from '../sandbox/end/teardown.ts'
import { defaultRunDir, type SandboxPaths, sandboxPaths } from '../sandbox/records/paths.ts'
import { tasksOf } from '../sandbox/records/task-records.ts'
import type { ShimFlags } from './flags.ts'
import { shimSocketPath } from './shim-socket.ts'
import { answerMs, tearDownApart } from './teardown.ts'

const killedStatus = 137

export async function deleteShim(flags: ShimFlags, cwd: string): Promise<number> {
  const bundle = flags.bundle || cwd
  const runDir = flags.runDir ?? defaultRunDir
  const log = createLogger({ level: 'warn', fields: { sandbox: flags.id, subsystem: 'shim-delete' } })
  // A pod's shim outlives each container of the pod.
  const sandboxId = podOf(bundle, log) ?? flags.id
  let ended: DeleteResponse | undefined
  if (sandboxId === flags.id) {
    await tearDownApart(flags, bundle, log)
    rmSync(shimSocketPath(runDir, flags.namespace, flags.id), { force: true })
  } else {
    const paths = sandboxPaths(runDir, flags.namespace, sandboxId)
    tellDeathOf(paths, log)
    ended = await endLeft(paths, flags.id, log)
  }
  const response = ended ?? {
    pid: shimPid(bundle, log),
    exitStatus: killedStatus,
    exitedAt: toTimestamp(new Date()),
  }
  writeSync(1, DeleteResponse.encode(response).finish())
  return 0
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

/** For the answer only: 0 when the shim is gone or its process is unknown. */
function shimPid(bundle: string, log: Logger): number {
  try {
    const shim = readShimProcess(bundle)
    return shim !== undefined && isAlive(shim) ? shim.pid : 0
  } catch (error) {
    log.warn('which process the shim was cannot be read', { error })
    return 0
  }
}
