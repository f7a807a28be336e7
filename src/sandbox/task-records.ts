/**
 * Which tasks a sandbox has, written down for those who only see its state directory: `kata-ts ps` and `exec` find the
 * containers of containerd by it. One JSON file a task; the directory goes away with the sandbox.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { listSandboxes } from './gc.ts'
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

const directoryOf = ({ stateDir }: SandboxPaths) => `${stateDir}/tasks`

export function writeTaskRecord(paths: SandboxPaths, record: TaskRecord): void {
  mkdirSync(directoryOf(paths), { recursive: true, mode: 0o700 })
  const file = `${directoryOf(paths)}/${record.id}`
  // Not visible under its name before it is whole.
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${file}.new`, `${file}.json`)
}

export function removeTaskRecord(paths: SandboxPaths, id: string): void {
  rmSync(`${directoryOf(paths)}/${id}.json`, { force: true })
}

/** Every task of a namespace whose sandbox has not been released, oldest first. */
export function listTaskRecords(runDir: string, namespace: string): TaskRecord[] {
  return listSandboxes(runDir)
    .filter((sandbox) => sandbox.namespace === namespace)
    .flatMap(({ paths }) => recordsIn(directoryOf(paths)))
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
}

function recordsIn(directory: string): TaskRecord[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(`${directory}/${name}`, 'utf8')) as TaskRecord]
      } catch {
        // Removed by its shim this moment.
        return []
      }
    })
}
