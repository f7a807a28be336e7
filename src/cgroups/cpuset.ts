/** The processors and memory nodes of the host that a sandbox may use (cpuset of cgroups(7), both versions). */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../errors.ts'
import { type CgroupHierarchy, cgroupDirectory } from '../linux/cgroups/cgroup.ts'

export interface Cpuset {
  readonly cpus: readonly number[]
  readonly mems: readonly number[]
}

/** More than any kernel is built for. */
const most = 8192

/** The numbers in a list like `0-3,7`, ascending. @throws KataError CPUSET_INVALID. */
export function parseCpuList(list: string): number[] {
  const numbers = new Set<number>()
  for (const part of list.trim().split(',')) {
    const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? []
    if (first === '' || Number(last) >= most || Number(last) < Number(first))
      throw new KataError('CPUSET_INVALID', { list })
    for (let number = Number(first); number <= Number(last); number++) numbers.add(number)
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Those of a container's list, which may be empty: no choice. @throws KataError CPUSET_INVALID. */
export const cpusOf = (list = ''): number[] => (list.trim() === '' ? [] : parseCpuList(list))

/** What the host has. A kernel that knows no memory nodes has one, which is 0. */
export function hostCpuset(): Cpuset {
  const online = (what: 'cpu' | 'node') => `/sys/devices/system/${what}/online`
  const mems = existsSync(online('node')) ? parseCpuList(readFileSync(online('node'), 'utf8')) : [0]
  return { cpus: parseCpuList(readFileSync(online('cpu'), 'utf8')), mems }
}

/**
 * Writes what is named; empty: whatever the cgroup above has. False when the cgroup has no cpuset.
 *
 * @throws ErrnoException: EINVAL, EACCES for processors that the host or the cgroup above does not have.
 */
export function writeCpuset(hierarchy: CgroupHierarchy, path: string, { cpus, mems }: Cpuset): boolean {
  const directory = cgroupDirectory(hierarchy, path)
  if (!existsSync(`${directory}/cpuset.cpus`)) return false
  for (const [name, numbers] of [
    ['cpuset.mems', mems],
    ['cpuset.cpus', cpus],
  ] as const) {
    const list = numbers.length > 0 ? numbers.join() : inherited(hierarchy, path, name)
    if (list !== undefined) writeFileSync(`${directory}/${name}`, list)
  }
  return true
}

/**
 * The list of the cgroup above: while a cgroup has processes, neither version lets one that is not empty become empty (ENOSPC). Undefined when there
 * is nothing to take back.
 */
function inherited(hierarchy: CgroupHierarchy, path: string, name: string): string | undefined {
  const above = `${cgroupDirectory(hierarchy, dirname(path))}/${name}`
  if (hierarchy.version === 1) return readFileSync(above, 'utf8')
  const own = readFileSync(`${cgroupDirectory(hierarchy, path)}/${name}`, 'utf8')
  return own.trim() === '' ? undefined : readFileSync(`${above}.effective`, 'utf8')
}
