/** The guest's cgroup tree: `/kata` holds one cgroup per container. */
import { mkdir } from 'os'
import { readFile } from 'syscalls'
import { set } from '../system/files.ts'

export const cgroupRoot = '/sys/fs/cgroup'
/** Path of all containers' cgroups, from the root of the cgroup file system. */
export const containersCgroup = '/kata'

const wanted = ['cpu', 'cpuset', 'hugetlb', 'io', 'memory', 'pids']

/** Makes the containers' parent cgroup and gives it the controllers that the kernel has. */
export function prepareCgroups(): void {
  const available = readFile(`${cgroupRoot}/cgroup.controllers`).trim().split(' ')
  const enable = wanted
    .filter((controller) => available.includes(controller))
    .map((controller) => `+${controller}`)
    .join(' ')
  mkdir(`${cgroupRoot}${containersCgroup}`)
  set(`${cgroupRoot}/cgroup.subtree_control`, enable)
  set(`${cgroupRoot}${containersCgroup}/cgroup.subtree_control`, enable)
}
