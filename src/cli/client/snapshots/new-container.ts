/** Containers that begin with a saved machine in place of an image: forks, and those of snapshots. */
import { closeSync, copyFileSync, openSync } from 'node:fs'
import { writeEventLogWishes } from '../../../bundle/event-log.ts'
import { bundleFile } from '../../../bundle/files.ts'
import { KataError } from '../../../errors.ts'
import { bootId, processRef } from '../../../linux/processes/proc.ts'
import { copySparse } from '../../../sandbox/checkpoint/sparse-file.ts'
import type { Settings } from '../../settings.ts'
import { storedDisk } from '../disk-root.ts'
import { eventAttributes, noteEvent } from '../events.ts'
import { type ContainerRecord, createRecord } from '../record.ts'
import { keptFiles, type SavedContainer } from './store.ts'

/**
 * Claims the name for a container like the other one. What waits for the end of that one waits for no other: restart policy, health check and
 * --rm are left behind.
 *
 * @throws KataError CONTAINER_EXISTS, NAME_INVALID, CHECKPOINT_REFUSED.
 */
export function newContainer(
  settings: Settings,
  { record: before, bundle }: SavedContainer,
  id: string,
): ContainerRecord {
  requireOwnDisks(settings, before)
  const { stateDir, namespace } = settings
  const {
    health: _h,
    restart: _r,
    restarts: _n,
    pauseMs: _p,
    restartsAt: _a,
    stopWanted: _s,
    ...kept
  } = before
  const { address: _d, startedAt: _t, exitCode: _c, finishedAt: _f, ...rest } = kept
  const record: ContainerRecord = {
    ...{ ...rest, id, namespace, status: 'creating', autoRemove: false, createdAt: new Date().toISOString() },
    ...{ owner: processRef(process.pid)!, bootId: bootId() },
  }
  const paths = createRecord(stateDir, record)
  for (const file of keptFiles) copyFileSync(bundleFile(bundle, file), bundleFile(paths.bundle, file))
  writeEventLogWishes(paths.bundle, { stateDir, attributes: eventAttributes(record) })
  noteEvent(settings, record, 'create')
  return record
}

/** @throws KataError CHECKPOINT_REFUSED for a disk of the image's files that goes with its container. */
export function requireOwnDisks({ stateDir }: Pick<Settings, 'stateDir'>, record: ContainerRecord): void {
  const { id, disks } = record
  if (disks === undefined || storedDisk(disks, stateDir) !== undefined) return
  const reason = 'its root file system is a directory (--rootfs), and others cannot go on with a disk of that'
  throw new KataError('CHECKPOINT_REFUSED', { id, reason })
}

/** Copies the saved disk to the place of the container's own. @throws the signal's reason; errors of the system. */
export async function copyDisk(from: string, to: string, signal: AbortSignal): Promise<void> {
  const source = openSync(from, 'r')
  try {
    const target = openSync(to, 'wx', 0o600)
    try {
      await copySparse(source, target, signal)
    } finally {
      closeSync(target)
    }
  } finally {
    closeSync(source)
  }
}
