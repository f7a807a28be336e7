/** The cgroups that clients of containerd make for pods and tasks: a kubelet's own, which the tests take away in its place. */
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs'

/** `cgroup_parent` of the tests' pods. */
export const podCgroup = 'kata-ts-e2e'
/** Where containerd itself puts the tasks of its namespace `default`. */
const taskCgroup = 'default'
const root = '/sys/fs/cgroup'

/** Those that are there now, in every hierarchy of cgroup v1 and in the one of v2. */
export function clientCgroups(): string[] {
  const hierarchies = [root, ...readdirSync(root).map((name) => `${root}/${name}`)].filter(isDirectory)
  return hierarchies
    .flatMap((hierarchy) => [`${hierarchy}/${podCgroup}`, `${hierarchy}/${taskCgroup}`])
    .filter((path) => existsSync(path))
}

/** Removes an empty cgroup; one that holds something is left, for the test to find. */
export function removeEmptyCgroup(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // EBUSY: somebody is in it.
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
