/** The guest's cgroup tree: `/kata` holds one cgroup per container. */
import { mkdir } from 'os'
import { readFile } from 'syscalls'
import { exists, list, readIfThere, set } from '../system/files.ts'

export const cgroupRoot = '/sys/fs/cgroup'
/** Path of all containers' cgroups, from the root of the cgroup file system. */
export const containersCgroup = '/kata'
/** The cgroup of the programs that the kernel starts when it misses a module: native/module-requests.c. */
const requestsCgroup = '/module-requests'

const wanted = ['cpu', 'cpuset', 'hugetlb', 'io', 'memory', 'pids']

/** Threads that no container has. The larger of a number and a share of all. */
const reserved = { least: 128, share: 1 / 16 }

/** Makes the containers' parent cgroup and gives it the controllers that the kernel has. */
export function prepareCgroups(): void {
  const available = readFile(`${cgroupRoot}/cgroup.controllers`).trim().split(' ')
  const enable = wanted
    .filter((controller) => available.includes(controller))
    .map((controller) => `+${controller}`)
    .join(' ')
  for (const cgroup of [containersCgroup, requestsCgroup]) mkdir(`${cgroupRoot}${cgroup}`)
  set(`${cgroupRoot}/cgroup.subtree_control`, enable)
  set(`${cgroupRoot}${containersCgroup}/cgroup.subtree_control`, enable)
  limitThreads()
}

/**
 * The kernel makes no more threads than `kernel.threads-max`, the agent's included. Without a limit one container would take all: then no
 * command could be run in its neighbours, nor its own limits be changed. So all containers together leave some to the kernel and the agent, and
 * each leaves some to the others.
 */
function limitThreads(): void {
  const file = `${cgroupRoot}${containersCgroup}/pids.max`
  if (exists(file)) set(file, String(mostThreads(1)))
}

/**
 * Does what may change how many threads the kernel makes. What was limited by that follows: all containers together, and each that has no limit
 * of its own, which is told by the number.
 */
export function changeThreads(change: () => void): void {
  const before = String(mostThreadsOfOne())
  try {
    change()
  } finally {
    const now = String(mostThreadsOfOne())
    if (now !== before) {
      limitThreads()
      const directory = `${cgroupRoot}${containersCgroup}`
      for (const file of list(directory).map((name) => `${directory}/${name}/pids.max`))
        if (readIfThere(file)?.trim() === before) set(file, now)
    }
  }
}

/** The most threads of one container that has no limit of its own. */
export const mostThreadsOfOne = (): number => mostThreads(2)

function mostThreads(reserves: number): number {
  const all = Number(readFile('/proc/sys/kernel/threads-max'))
  return Math.max(1, Math.floor(all - reserves * Math.max(reserved.least, all * reserved.share)))
}
