/** The cgroups that clients of containerd make for pods and tasks: a kubelet's own, which the tests take away in its place. */
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'

/** `cgroup_parent` of the tests' pods. */
export const podCgroup = 'kata-ts-e2e'
/** Where containerd itself puts the tasks of its namespace `default`. */
const taskCgroup = 'default'
const root = '/sys/fs/cgroup'

/** The cgroup of all pods, which has to be there for the statistics of a pod. */
export function makePodCgroup(): void {
  for (const hierarchy of hierarchies()) mkdirSync(`${hierarchy}/${podCgroup}`, { recursive: true })
}

/** The tests' own that are there now: of pods, and of hosts (setup/gate/own-host.ts). */
export const ownCgroups = (): string[] =>
  hierarchies().flatMap((hierarchy) =>
    readdirSync(hierarchy)
      .filter((name) => name === podCgroup || name.startsWith(`${podCgroup}-`))
      .map((name) => `${hierarchy}/${name}`),
  )

/** Those that are there now, in every hierarchy of cgroup v1 and in the one of v2. */
export function clientCgroups(): string[] {
  return hierarchies()
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

/** Removes what is empty of it and below it. True when all of it is gone. */
export function removeEmptyCgroups(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmptyCgroups(`${path}/${entry.name}`)
  removeEmptyCgroup(path)
  return !existsSync(path)
}

/** Every directory in which a cgroup can be made: that of v2, or those of v1 with v2 beside them. */
function hierarchies(): string[] {
  return [root, ...readdirSync(root).map((name) => `${root}/${name}`)].filter(
    (path) => existsSync(`${path}/cgroup.procs`) && (path === root || !existsSync(`${root}/cgroup.procs`)),
  )
}
