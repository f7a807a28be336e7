/** Containers that begin with a saved machine in place of an image: forks, and those of snapshots. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { writeEventLogWishes } from '../../../bundle/event-log.ts'
import {
  type NetworkWishes,
  type PublishedPort,
  readNetworkWishes,
  writeNetworkWishes,
} from '../../../bundle/network.ts'
import { KataError } from '../../../errors.ts'
import { withPath } from '../../../linux/files/named-write.ts'
import type { FileDigest } from '../../../linux/files/sparse-file.ts'
import { bootId, ownProcess } from '../../../linux/processes/proc.ts'
import { requireDigest } from '../../../sandbox/checkpoint/checkpoint.ts'
import { checkpointFiles } from '../../../sandbox/checkpoint/checkpoint-facts.ts'
import { copyAt } from '../../../sandbox/checkpoint/named-copy.ts'
import type { Settings } from '../../settings.ts'
import { storedDisk } from '../disk-root.ts'
import { eventAttributes, noteEvent } from '../events.ts'
import { type Placed, takePlace } from '../networks/place.ts'
import { under } from '../own-name.ts'
import { type ContainerRecord, createRecord, isThere, removeRecord } from '../record.ts'
import { removedMeanwhile } from '../shim-process.ts'
import { copyKept, type SavedContainer, type Snapshot } from './store.ts'

/**
 * Claims the name for a container like the other one. What waits for the end of that one waits for no other: restart policy, health check and
 * --rm are left behind. Ports of the host lead to one container, so it has the `ports` that are asked for.
 *
 * @throws KataError CONTAINER_EXISTS, NAME_INVALID, CHECKPOINT_REFUSED, OPTION_CONFLICT for ports without a way outside, and as {@link takePlace}.
 */
export async function newContainer(
  settings: Settings,
  saved: SavedContainer,
  id: string,
  { ports = [], signal }: { readonly ports?: readonly PublishedPort[]; readonly signal?: AbortSignal } = {},
): Promise<ContainerRecord> {
  requireOwnDisks(settings, saved.record)
  const wishes = readNetworkWishes(saved.bundle)
  if (wishes === undefined && ports.length > 0)
    throw refused('the snapshot is of a container without a network')
  const { place, mac, ...others } = wishes ?? { ports }
  const make = (own: Partial<Omit<NetworkWishes, 'ports'>>) =>
    claim(settings, saved, id, wishes && { ...others, ...own, ports })
  // Nobody else sees an address on a network of its own.
  if (place === undefined) return make({ mac })
  const { network, upstream, names } = under(id.toLowerCase(), place)
  const makeAt = ({ limits, ...own }: Placed) => {
    if (limits.allowed !== undefined && ports.length > 0)
      throw refused('its network is internal, and leads nowhere')
    return make({ ...own, ...limits })
  }
  return takePlace(settings, { network, names, upstream }, makeAt, signal)
}

const refused = (reason: string) =>
  new KataError('OPTION_CONFLICT', {
    options: '--from and --publish',
    reason,
    remedy: 'Omit --publish.',
  })

function claim(
  settings: Settings,
  { record: before, bundle }: SavedContainer,
  id: string,
  network: NetworkWishes | undefined,
): ContainerRecord {
  const { stateDir, namespace } = settings
  const {
    health: _h,
    restart: _r,
    restarts: _n,
    pauseMs: _p,
    restartsAt: _a,
    stopWanted: _s,
    stopWishes: _w,
    ...kept
  } = before
  const { address: _d, startedAt: _t, savedRun: _v, exitCode: _c, finishedAt: _f, ...rest } = kept
  const record: ContainerRecord = {
    ...rest,
    id,
    namespace,
    status: 'creating',
    autoRemove: false,
    beginsSaved: true,
    createdAt: new Date().toISOString(),
    owner: ownProcess(),
    bootId: bootId(),
  }
  const paths = createRecord(stateDir, record)
  try {
    copyKept(bundle, paths.bundle)
    if (network !== undefined) writeNetworkWishes(paths.bundle, network, { isFlushed: true })
    writeEventLogWishes(paths.bundle, { stateDir, attributes: eventAttributes(record) })
    noteEvent(settings, record, 'create')
  } catch (error) {
    // Nobody was told of it yet.
    rmSync(paths.directory, { recursive: true, force: true })
    throw error
  }
  return record
}

/**
 * The result of `work`, while nothing runs in the container that was claimed for it. When it fails, nothing is left of that.
 *
 * @throws what `work` throws; KataError START_GIVEN_UP when somebody has removed the container meanwhile.
 */
export async function orForget<T>(
  { stateDir }: Pick<Settings, 'stateDir'>,
  made: Pick<ContainerRecord, 'namespace' | 'id' | 'createdAt'>,
  work: () => T | Promise<T>,
): Promise<T> {
  const { namespace, id } = made
  try {
    return await work()
  } catch (error) {
    // Another one may have the name by now.
    if (!isThere(stateDir, made)) throw removedMeanwhile(id, error)
    await removeRecord(stateDir, namespace, id)
    throw error
  }
}

/** @throws KataError CHECKPOINT_REFUSED for a disk of the image's files that goes with its container. */
export function requireOwnDisks({ stateDir }: Pick<Settings, 'stateDir'>, record: ContainerRecord): void {
  const { id, disks } = record
  if (disks === undefined || storedDisk(disks, stateDir) !== undefined) return
  const reason = 'its root file system is a directory (--rootfs), and others cannot go on with a disk of that'
  throw new KataError('CHECKPOINT_REFUSED', { id, reason })
}

/** The disk of a saved machine, and what was written down of it. */
export interface RecordedDisk {
  readonly from: string
  readonly recorded: FileDigest
}

/** @throws KataError CHECKPOINT_DAMAGED when nothing was written down of one. */
export function recordedDisk({ directory, facts }: Pick<Snapshot, 'directory' | 'facts'>): RecordedDisk {
  const recorded = facts.disks.find(({ readonly }) => !readonly)
  const from = `${directory}/${checkpointFiles.disk}`
  if (recorded === undefined) throw damaged(from, 'no digest of it is recorded')
  return { from, recorded }
}

/**
 * Copies the saved disk to the place of the container's own, where it is whole or not at all. The snapshot may have been removed since it was
 * looked at, or another have its name: that one's machine must not continue in a container with the specification of this one.
 *
 * @throws KataError CHECKPOINT_DAMAGED; the signal's reason; errors of the system.
 */
export async function copyDisk(
  { from, recorded }: RecordedDisk,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const unfinished = `${to}.new`
  const source = openSaved(from)
  try {
    const target = openSync(unfinished, 'wx', 0o600)
    try {
      const files = [
        { fd: source, path: from },
        { fd: target, path: to },
      ] as const
      requireDigest(from, await copyAt(...files, signal), recorded)
      fsyncSync(target)
    } catch (error) {
      throw withPath(error, to)
    } finally {
      closeSync(target)
    }
    renameSync(unfinished, to)
  } finally {
    closeSync(source)
    rmSync(unfinished, { force: true })
  }
}

function openSaved(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw damaged(path, 'it is not there', cause)
  }
}

const damaged = (path: string, reason: string, cause?: unknown) =>
  new KataError('CHECKPOINT_DAMAGED', { path, reason }, { cause })
