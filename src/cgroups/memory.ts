/** The memory that the host allows a sandbox: the limits of its cgroup and of the ancestors. */
import { dirname } from 'node:path'
import { KataError } from '../errors.ts'
import { type CgroupHierarchy, cgroupDirectory, readControl } from '../linux/cgroups/cgroup.ts'
import { readProc } from '../linux/processes/proc.ts'

export interface MemoryLimit {
  /** The cgroup that has the limit. */
  readonly path: string
  readonly bytes: number
}

const mebibyte = 1024 * 1024
/** Below this limit the kernel kills the VMM before even the smallest guest is up (measured). */
const leastMiB = 128

/** The limit of one cgroup, bytes; undefined when it has none. */
export function ownMemoryLimit(hierarchy: CgroupHierarchy, path: string): number | undefined {
  const name = hierarchy.version === 2 ? 'memory.max' : 'memory.limit_in_bytes'
  const bytes = readControl(hierarchy, path, name)
  // Version 1 writes "none" as the largest number that is whole pages.
  return bytes === undefined || bytes > Number.MAX_SAFE_INTEGER ? undefined : bytes
}

/** The tightest limit on a cgroup, its own or an ancestor's; undefined when there is none. */
function memoryLimit(hierarchy: CgroupHierarchy, path: string): MemoryLimit | undefined {
  let tightest: MemoryLimit | undefined
  for (let at = path; at !== '/'; at = dirname(at)) {
    const bytes = ownMemoryLimit(hierarchy, at)
    if (bytes === undefined) continue
    if (tightest === undefined || bytes < tightest.bytes) tightest = { path: at, bytes }
  }
  return tightest
}

/** @throws KataError CGROUP_MEMORY_TOO_SMALL when no machine can start below the limit. */
export function requireMemory(hierarchy: CgroupHierarchy, path: string): void {
  const limit = memoryLimit(hierarchy, path)
  if (limit !== undefined && limit.bytes < leastMiB * mebibyte)
    throw new KataError('CGROUP_MEMORY_TOO_SMALL', { ...named(hierarchy, limit), leastMiB })
}

/** An error if the kernel has ended a process of this cgroup for want of memory; `sandbox` names whose it is. */
export function outOfMemory(
  hierarchy: CgroupHierarchy,
  path: string,
  sandbox: string,
): KataError | undefined {
  const name = hierarchy.version === 2 ? 'memory.events' : 'memory.oom_control'
  const events = eventsIn(`${cgroupDirectory(hierarchy, path)}/${name}`)
  if (!/^oom_kill [1-9]/m.test(events)) return undefined
  const limit = memoryLimit(hierarchy, path)
  const where =
    limit === undefined ? { path: 'the whole host', limitMiB: 'all its' } : named(hierarchy, limit)
  return new KataError('CGROUP_OUT_OF_MEMORY', { sandbox, ...where })
}

/** Empty where they cannot be read: a death has other signs. */
function eventsIn(file: string): string {
  try {
    return readProc(file) ?? ''
  } catch {
    return ''
  }
}

function named(hierarchy: CgroupHierarchy, { path, bytes }: MemoryLimit) {
  return { path: cgroupDirectory(hierarchy, path), limitMiB: Math.floor(bytes / mebibyte) }
}
