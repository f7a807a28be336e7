/**
 * The death of a shim, told in the termination messages of the containers that ran under it: nothing else is left to tell it where a
 * kubelet looks. (The death of a machine is told by its shim: ../../shim/task/death.ts.)
 */
import { KataError } from '../../errors.ts'
import { isAlive, type ProcessRef } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { type TaskRecord, tasksOf } from '../records/task-records.ts'
import { deathLine, writeTerminationMessage } from './termination-message.ts'

/**
 * To be called before the sandbox is torn down. Safe to repeat; does nothing while `shim` is alive. Never throws: what cannot be told
 * goes to the log.
 */
export function tellShimDeath(paths: SandboxPaths, shim: ProcessRef, log: Logger): void {
  if (isAlive(shim)) return
  for (const task of tasksOf(paths, log)) {
    try {
      tell(task)
    } catch (error) {
      log.warn('a container’s termination message does not tell its end', { container: task.id, error })
    }
  }
}

function tell({ id, bundle }: TaskRecord): void {
  const file = terminationMount(readBundleSpec(bundle))?.source
  if (file === undefined) return
  writeTerminationMessage(file, deathLine(new KataError('SHIM_DIED', { id })))
}
