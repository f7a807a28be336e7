/** The cgroups by which this host counts and limits memory, of either version. */
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import {
  type CgroupHierarchy,
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  hierarchyOf,
} from '../../src/linux/cgroups/cgroup.ts'

export interface MemoryHierarchy extends CgroupHierarchy {
  /** Files of each of its cgroups: the most bytes, and how many they are now. */
  readonly limitFile: string
  readonly usageFile: string
}

/** Undefined on a host where a sandbox gets no cgroup that limits memory. */
export const memoryHierarchy: MemoryHierarchy | undefined = findHierarchy()

/** For the names of tests that are left out without one. */
export const noMemory =
  memoryHierarchy === undefined
    ? ' (skipped: this host has no memory controller, or nobody may make cgroups)'
    : ''

/** Where the memory of a process is counted. @throws Error when it has ended. */
export function memoryCgroup(pid: number, hierarchy = memoryHierarchy!): string {
  const path = cgroupOf(pid, hierarchy)
  if (path === undefined) throw new Error(`process ${pid} has ended`)
  return cgroupDirectory(hierarchy, path)
}

/**
 * Whether the cgroups of a sandbox can have the controller. Version 2 says in each cgroup what its children may have: that of
 * this process need not have the files, and the root has none at all.
 */
export function hasController({ point, version, controllers }: CgroupHierarchy, name: string): boolean {
  if (version === 1) return controllers.includes(name)
  return readFileSync(`${point}/cgroup.controllers`, 'utf8').trim().split(' ').includes(name)
}

function findHierarchy(): MemoryHierarchy | undefined {
  const found = hierarchyOf(cgroupHierarchies(), 'memory')
  if (found === undefined || !hasController(found, 'memory') || !isWritable(found)) return undefined
  const [limitFile, usageFile] =
    found.version === 1
      ? (['memory.limit_in_bytes', 'memory.usage_in_bytes'] as const)
      : (['memory.max', 'memory.current'] as const)
  return { ...found, limitFile, usageFile }
}

export function isWritable({ point }: Pick<CgroupHierarchy, 'point'>): boolean {
  const probe = `${point}/kata-ts-probe-${process.pid}`
  try {
    mkdirSync(probe)
    rmdirSync(probe)
    return true
  } catch {
    return false
  }
}
