/**
 * The limits on a sandbox's own cgroups. They are far above what a healthy machine needs, and bound a VMM that was taken over: it
 * could make files in memory that do not belong to a guest.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { type CgroupHierarchy, cgroupDirectory } from '../linux/cgroups/cgroup.ts'
import { jailLimits } from '../rootless/jail/jail-command.ts'

/** The limits of the users of VMM and virtiofsd, and as many for the shim with its tools. */
const mostProcesses = 3 * jailLimits.nproc
/** Processors for what serves a machine: VMM without its processors, virtiofsd and shim are one busy thread each at most. */
const overheadCpus = 2
/** Microseconds. */
const period = 100_000

export type Controller = 'memory' | 'pids' | 'cpu'

/** Files of a cgroup and their values, in the order in which they can be written to a new one. */
export type Settings = readonly (readonly [name: string, value: string])[]

/** Swap gets the same bound again, so that it is no way around the limit. */
export function memorySettings({ version }: Pick<CgroupHierarchy, 'version'>, bytes: number): Settings {
  if (version === 2)
    return [
      ['memory.max', `${bytes}`],
      ['memory.swap.max', `${bytes}`],
    ]
  return [
    ['memory.limit_in_bytes', `${bytes}`],
    ['memory.memsw.limit_in_bytes', `${2 * bytes}`],
  ]
}

export const processSettings = (): Settings => [['pids.max', `${mostProcesses}`]]

/** For an overhead cgroup, which is accounted to no pod: a guest that never stops talking keeps the shim busy. */
export function overheadCpuSettings({ version }: Pick<CgroupHierarchy, 'version'>): Settings {
  const quota = overheadCpus * period
  if (version === 2) return [['cpu.max', `${quota} ${period}`]]
  return [
    ['cpu.cfs_period_us', `${period}`],
    ['cpu.cfs_quota_us', `${quota}`],
  ]
}

/**
 * Writes the files that exist: a kernel may be built without limits on swap. False when none exists, because the cgroup lacks
 * the controller.
 *
 * @throws ErrnoException.
 */
export function applySettings(hierarchy: CgroupHierarchy, path: string, settings: Settings): boolean {
  const file = (name: string) => `${cgroupDirectory(hierarchy, path)}/${name}`
  const there = settings.filter(([name]) => existsSync(file(name)))
  for (const [name, value] of there) writeFileSync(file(name), value)
  return there.length > 0
}
