/**
 * Which tasks a sandbox has, written down for programs that only see its state directory: `kata-ts ps` and `exec` find the
 * containers of containerd by it. One JSON file a task; the directory goes away with the sandbox.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { text } from '../../json/values.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import type { Logger } from '../../log.ts'
import { readState } from '../../rootless/state-file.ts'
import type { SandboxPaths } from './paths.ts'

export interface TaskRecord {
  readonly id: string
  readonly namespace: string
  readonly sandboxId: string
  readonly bundle: string
  /** The shim's ttrpc address. */
  readonly address: string
  /** ISO 8601. */
  readonly createdAt: string
}

const taskRecord = record<TaskRecord>({
  id: needed(text),
  namespace: needed(text),
  sandboxId: needed(text),
  bundle: needed(text),
  address: needed(text),
  createdAt: needed(text),
})

const directoryOf = ({ stateDir }: SandboxPaths) => `${stateDir}/tasks`

export function writeTaskRecord(paths: SandboxPaths, task: TaskRecord): void {
  mkdirSync(directoryOf(paths), { recursive: true, mode: 0o700 })
  replaceFile(`${directoryOf(paths)}/${task.id}.json`, JSON.stringify(task))
}

export function removeTaskRecord(paths: SandboxPaths, id: string): void {
  rmSync(`${directoryOf(paths)}/${id}.json`, { force: true })
}

/** The task records of one sandbox, by id. */
export function tasksOf(paths: SandboxPaths, log: Logger): TaskRecord[] {
  const directory = directoryOf(paths)
  return namesIn(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      try {
        // Undefined when its shim has just removed it.
        const found = readState(taskRecord, `${directory}/${name}`)
        return found === undefined ? [] : [found]
      } catch (error) {
        // A record that cannot be read does not hide the others.
        log.warn('a task is not listed', { error: describeError(error) })
        return []
      }
    })
}
