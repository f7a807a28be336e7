/**
 * `delete`: what containerd runs after every end of a task, and after the shim's death. It must work from disk, be
 * quick when there is nothing to do, and leave nothing behind. Prints a DeleteResponse with 137, because a process
 * whose shim is gone was killed.
 */
import { existsSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { failpointsOf } from '../ledger/failpoints.ts'
import { processRef } from '../linux/proc.ts'
import { createLogger } from '../log.ts'
import { DeleteResponse } from '../protocol/generated/containerd/task.ts'
import { defaultRunDir, sandboxPaths } from '../sandbox/paths.ts'
import { teardown } from '../sandbox/teardown.ts'
import { readSandboxId } from './bundle.ts'
import type { ShimFlags } from './flags.ts'
import { shimSocketPath } from './start.ts'
import { toTimestamp } from './timestamp.ts'

const killedStatus = 137

export async function deleteShim(flags: ShimFlags, cwd: string): Promise<number> {
  const bundle = flags.bundle || cwd
  const runDir = flags.runDir ?? defaultRunDir
  const log = createLogger({ level: 'warn', fields: { sandbox: flags.id, subsystem: 'shim-delete' } })
  // The shim of a pod outlives the pod's single containers.
  const sandboxId = existsSync(`${bundle}/config.json`) ? (readSandboxId(bundle) ?? flags.id) : flags.id
  if (sandboxId === flags.id) {
    await teardown(
      sandboxPaths(runDir, flags.namespace, flags.id),
      log,
      failpointsOf('delete', process.env, log),
    )
    rmSync(shimSocketPath(runDir, flags.namespace, flags.id), { force: true })
  }
  const response = { pid: shimPid(bundle), exitStatus: killedStatus, exitedAt: toTimestamp(new Date()) }
  writeSync(1, DeleteResponse.encode(response).finish())
  return 0
}

function shimPid(bundle: string): number {
  const pid = existsSync(`${bundle}/shim.pid`) ? Number(readFileSync(`${bundle}/shim.pid`, 'utf8')) : 0
  return processRef(pid) === undefined ? 0 : pid
}
