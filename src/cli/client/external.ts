/** Containers of other clients, mainly containerd: the shim's records of them, in the form of our own. */
import { KataError } from '../../errors.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { imageNameOf } from '../../oci/annotations.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { listTaskRecords } from '../../sandbox/records/list-tasks.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import type { TaskRecord } from '../../sandbox/records/task-records.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, listRecords, type RecordPaths, recordPaths } from './record.ts'

/** A record without a file. The client keeps the container, and removes it. */
export interface ExternalRecord extends ContainerRecord {
  readonly task: TaskRecord
}

/** The shortest prefix of an id that identifies it. */
const shortestPrefix = 4

/** Containers of the namespace that are not the command line's own. */
export function listExternal({ runDir, stateDir, namespace, log }: Settings): ExternalRecord[] {
  const own = new Set(listRecords(stateDir, namespace))
  return listTaskRecords(runDir, namespace, log)
    .filter(({ id }) => !own.has(id))
    .map(toRecord)
}

/** Finds a container by its id or a unique prefix. @throws KataError CONTAINER_AMBIGUOUS. */
export function findExternal(settings: Settings, name: string): ExternalRecord | undefined {
  const all = listExternal(settings)
  const exact = all.find(({ id }) => id === name)
  if (exact !== undefined || name.length < shortestPrefix) return exact
  const [first, ...others] = all.filter(({ id }) => id.startsWith(name))
  if (others.length > 0) throw new KataError('CONTAINER_AMBIGUOUS', { name, count: others.length + 1 })
  return first
}

export function isExternal(record: ContainerRecord): record is ExternalRecord {
  return 'task' in record
}

/** The id of the container's sandbox, in the same namespace. */
export function sandboxOf(record: ContainerRecord): string {
  return isExternal(record) ? record.task.sandboxId : record.id
}

/** Paths of the container's files, for any client. */
export function pathsOf(settings: Settings, record: ContainerRecord): Pick<RecordPaths, 'bundle' | 'io'> {
  if (!isExternal(record)) return recordPaths(settings.stateDir, record.namespace, record.id)
  const { stateDir } = sandboxPaths(settings.runDir, record.namespace, record.task.sandboxId)
  return { bundle: record.task.bundle, io: `${stateDir}/io` }
}

function toRecord(task: TaskRecord): ExternalRecord {
  const { id, namespace, bundle, address, createdAt } = task
  const spec = readSpec(bundle)
  return {
    id,
    namespace,
    address,
    createdAt,
    task,
    command: spec.process?.args ?? [],
    image: imageNameOf(spec) ?? '',
    layers: [],
    status: 'running',
    terminal: spec.process?.terminal ?? false,
    detached: false,
    autoRemove: false,
    bootId: bootId(),
  }
}

/** Reads the specification. Another client may have removed, replaced or never written it; then it is empty. */
function readSpec(bundle: string): OciSpec {
  try {
    return readBundleSpec(bundle)
  } catch {
    return {}
  }
}
