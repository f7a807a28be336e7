/** How what a container holds of the machine is given back, whether it lived or did not come to be. */
import { readFile } from 'syscalls'
import { ownCopies } from '../storage/own-copies.ts'
import { type MountedStorage, unmountStorage } from '../storage/storage.ts'
import type { ProcessStdio } from '../streams/stdio.ts'
import { exists, list, removeTree } from '../system/files.ts'
import { containersDirectory } from '../system/paths.ts'
import type { Step } from '../system/steps.ts'
import { bundleOf } from './bundle.ts'
import { type Cgroup, cgroupOf, killCgroup, removeCgroup } from './cgroup.ts'
import type { ContainerTools } from './container-tools.ts'
import type { Crun } from './crun.ts'
import { closeStdio } from './process.ts'

export interface Holdings {
  readonly id: string
  /** Those of its processes by then. */
  readonly stdio: () => readonly ProcessStdio[]
  /** In the order in which they were mounted. */
  readonly storages: readonly MountedStorage[]
  /** Where its mounts come from. */
  readonly sources: readonly string[]
  readonly tools: Pick<ContainerTools, 'crun' | 'sources' | 'exitOf'>
}

/** To be taken in this order: a storage is in use until its container is gone. */
export function stepsOfRemoval({ id, stdio, storages, sources, tools }: Holdings): Step[] {
  return [
    () => {
      for (const each of stdio()) closeStdio(each)
    },
    () => discard(cgroupOf(id), tools.crun, id),
    () => stopWatching(storages),
    () => tools.sources.leave(id),
    ...[...storages].reverse().map((storage) => () => unmountStorage(storage, tools.exitOf)),
    () => removeCopies(id, sources),
    () => removeTree(bundleOf(id)),
  ]
}

/** Removes what the kernel and crun know of a container whose init has ended, or of one that did not come to be. */
export async function discard(cgroup: Cgroup, crun: Crun, id: string): Promise<void> {
  if (exists(cgroup.directory)) killCgroup(cgroup)
  await removeCgroup(cgroup)
  crun.forget(id)
}

export function stopWatching(storages: readonly MountedStorage[]): void {
  for (const { watch } of storages) watch?.stop()
}

/** They lie in the guest's memory, and each making of a container has its own. */
function removeCopies(id: string, sources: readonly string[]): void {
  for (const copy of ownCopies(id, sources, readFile('/proc/self/mounts'))) removeTree(copy)
}

/**
 * Removes what the host has copied for a container that was not made: only the names of files tell of it. `others` are containers that keep what
 * they have, though their names may begin alike.
 */
export function removeUnusedCopies(id: string, others: readonly string[]): void {
  const alike = others.filter((other) => other.startsWith(`${id}-`))
  const names = list(containersDirectory).filter(
    (name) => !alike.some((other) => name.startsWith(`${other}-`)),
  )
  removeCopies(
    id,
    names.map((name) => `${containersDirectory}/${name}`),
  )
}
