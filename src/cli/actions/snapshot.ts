import { renameSync, rmSync } from 'node:fs'
import { checkpointFiles } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import { writtenDisk } from '../client/disk-root.ts'
import { underContainerLock } from '../client/lock.ts'
import { prepareAgain } from '../client/prepare.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { detach } from '../client/run.ts'
import { interruptible } from '../client/signals.ts'
import { newContainer, orForget, requireOwnDisks } from '../client/snapshots/new-container.ts'
import {
  createSnapshot,
  listSnapshots,
  readSnapshot,
  removeSnapshot,
  type Snapshot,
} from '../client/snapshots/store.ts'
import type { SnapshotFlags } from '../commands/snapshot.ts'
import { tellError } from '../explain.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { table } from '../output/table.ts'
import { checkName, generateName } from '../parse/name.ts'
import type { Settings } from '../settings.ts'
import { connectRunning, forEachName } from './containers.ts'
import { ownRecord } from './lifecycle/suspend.ts'

/** The container is held for as long as its machine is saved, and goes on. `signal` gives the save up, by the end of the connection. */
async function saveRunning(record: ContainerRecord, directory: string, signal: AbortSignal): Promise<void> {
  const task = await connectRunning(record, ['running'])
  try {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => task.close(), { once: true })
    await task.checkpoint(directory)
  } finally {
    task.close()
  }
}

/** Prints the name of the new container. */
export async function fork(settings: Settings, name: string, newName = generateName()): Promise<number> {
  const id = checkName(newName, 'container')
  const { stateDir, namespace } = settings
  await underContainerLock(settings, ownRecord(settings, name, 'forked'), async (record) => {
    const { bundle } = recordPaths(stateDir, namespace, name)
    const made = await newContainer(settings, { record, bundle }, id)
    const { directory, saved } = recordPaths(stateDir, namespace, id)
    const how = { isMonitor: false, changes: {}, checkpoint: saved, isNew: true }
    const container = await orForget(settings, made, async () => {
      await interruptible((signal) => saveRunning(record, saved, signal))
      renameSync(`${saved}/${checkpointFiles.disk}`, writtenDisk(directory))
      return prepareAgain(settings, made, how)
    })
    await detach(settings, () => container)
    rmSync(saved, { recursive: true, force: true })
  })
  settings.print(settings.format === 'json' ? `${JSON.stringify({ id })}\n` : `${id}\n`)
  return 0
}

/** Prints the name of the snapshot. */
export async function create(
  settings: Settings,
  _flags: SnapshotFlags,
  [name = '', snapshot = '']: readonly string[],
): Promise<number> {
  const { stateDir, namespace } = settings
  await underContainerLock(settings, ownRecord(settings, name, 'saved'), async (record) => {
    requireOwnDisks(settings, record)
    const { bundle } = recordPaths(stateDir, namespace, name)
    // From the first of it on that is on the disk.
    await interruptible((signal) =>
      createSnapshot(settings, snapshot, { record, bundle }, (directory) =>
        saveRunning(record, directory, signal),
      ),
    )
  })
  settings.print(settings.format === 'json' ? `${JSON.stringify({ name: snapshot })}\n` : `${snapshot}\n`)
  return 0
}

interface ShownSnapshot {
  readonly name: string
  readonly namespace: string
  readonly container: string
  readonly image: string
  readonly createdAt: string
  readonly savedBy: string
  readonly accelerator: string
  readonly vcpus: number
  readonly memoryMiB: number
  readonly sizeBytes: number
  readonly directory: string
}

function shown({ namespace }: Settings, { name, record, facts, bytes, directory }: Snapshot): ShownSnapshot {
  const { savedAt: createdAt, savedBy, accelerator, plan } = facts
  const { vcpus, memoryMiB } = plan
  const { id: container, image } = record
  const of = { name, namespace, container, image, createdAt, savedBy }
  return { ...of, accelerator, vcpus, memoryMiB, sizeBytes: bytes, directory }
}

export async function ls(settings: Settings, { quiet }: SnapshotFlags): Promise<number> {
  const all = listSnapshots(settings).flatMap((name) => {
    try {
      return [shown(settings, readSnapshot(settings, name))]
    } catch (error) {
      // One that is damaged does not hide the others.
      tellError(settings, error)
      return []
    }
  })
  const rows = all.map((one) => [one.name, one.container, one.createdAt, byteSize(one.sizeBytes), one.image])
  const titles = ['NAME', 'CONTAINER', 'CREATED', 'SIZE', 'ROOTFS']
  const asText = () => (quiet ? all.map(({ name }) => `${name}\n`).join('') : table(titles, rows))
  settings.print(render(settings.format, all, asText))
  return 0
}

export async function inspect(
  settings: Settings,
  _flags: SnapshotFlags,
  names: readonly string[],
): Promise<number> {
  const found = names.map((name) => shown(settings, readSnapshot(settings, name)))
  settings.print(`${JSON.stringify(found, null, 2)}\n`)
  return 0
}

export function rm(settings: Settings, { force }: SnapshotFlags, names: readonly string[]): Promise<number> {
  const existing = new Set(listSnapshots(settings))
  const wanted = force ? names.filter((name) => existing.has(name)) : names
  return forEachName(settings, wanted, (name) => removeSnapshot(settings, name))
}
