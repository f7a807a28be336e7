/** The tasks of all sandboxes. */
import type { Logger } from '../../log.ts'
import { listSandboxes } from './gc.ts'
import { type TaskRecord, tasksOf } from './task-records.ts'

/** Every task of a namespace whose sandbox has not been released, oldest first. */
export function listTaskRecords(runDir: string, namespace: string, log: Logger): TaskRecord[] {
  return listSandboxes(runDir)
    .filter((sandbox) => sandbox.namespace === namespace)
    .flatMap(({ paths }) => tasksOf(paths, log))
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
}
