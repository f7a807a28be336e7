/** Containers of other clients, containerd above all: what the shim wrote down, seen as if it were a record of ours. */
import { KataError } from '../../errors.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { listTaskRecords, type TaskRecord } from '../../sandbox/records/task-records.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, listRecords, type RecordPaths, recordPaths } from './record.ts'

/** A record of no file: its client keeps the container, and removes it. */
export interface ForeignRecord extends ContainerRecord {
  readonly task: TaskRecord
}

/** The shortest prefix of an id that identifies it. */
const shortestPrefix = 4

/** Containers of the namespace that are not the command line's own. */
export function listForeign({ runDir, stateDir, namespace, log }: Settings): ForeignRecord[] {
  const own = new Set(listRecords(stateDir, namespace))
  return listTaskRecords(runDir, namespace, log)
    .filter(({ id }) => !own.has(id))
    .map(toRecord)
}

/** By its id or the beginning of it, if only one begins so. @throws KataError CONTAINER_AMBIGUOUS. */
export function findForeign(settings: Settings, name: string): ForeignRecord | undefined {
  const all = listForeign(settings)
  const exact = all.find(({ id }) => id === name)
  if (exact !== undefined || name.length < shortestPrefix) return exact
  const [first, ...others] = all.filter(({ id }) => id.startsWith(name))
  if (others.length > 0) throw new KataError('CONTAINER_AMBIGUOUS', { name, count: others.length + 1 })
  return first
}

export function isForeign(record: ContainerRecord): record is ForeignRecord {
  return 'task' in record
}

/** The sandbox that a container is in, in its namespace. */
export function sandboxOf(record: ContainerRecord): string {
  return isForeign(record) ? record.task.sandboxId : record.id
}

/** Where the files of a container are, for any client. */
export function pathsOf(settings: Settings, record: ContainerRecord): Pick<RecordPaths, 'bundle' | 'io'> {
  if (!isForeign(record)) return recordPaths(settings.stateDir, record.namespace, record.id)
  const { stateDir } = sandboxPaths(settings.runDir, record.namespace, record.task.sandboxId)
  return { bundle: record.task.bundle, io: `${stateDir}/io` }
}

function toRecord(task: TaskRecord): ForeignRecord {
  const { id, namespace, bundle, address, createdAt } = task
  const { process, annotations = {} } = readSpec(bundle)
  return {
    ...{ id, namespace, address, createdAt, task },
    command: process?.args ?? [],
    image: annotations['io.kubernetes.cri.image-name'] ?? '',
    layers: [],
    status: 'running',
    terminal: process?.terminal ?? false,
    ...{ detached: false, autoRemove: false },
    bootId: bootId(),
  }
}

/** What another client removes or replaces at any time, or never wrote, has nothing to say. */
function readSpec(bundle: string): OciSpec {
  try {
    return readBundleSpec(bundle)
  } catch {
    return {}
  }
}
