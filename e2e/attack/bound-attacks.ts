/**
 * What a VMM under foreign control takes of the host without breaking out. The control is root outside.
 */
type BoundAttack = readonly [goal: string, act: string, inPlace: string, root: string]

/** With the user of a live VMM and in its cgroup, by host-limits.test.ts. Its machine has 128 MiB. */
export const cgroupAttacks: readonly BoundAttack[] = [
  ["fill the host's memory with a file that no guest has, 1.5 GiB", 'fill-memory 1536', 'KILL', 'ok'],
]

/**
 * In a jail that shows a private directory as those of Cloud Hypervisor and swtpm do, by host-limits.test.ts; `{dir}` is that
 * directory, and for root another one of the host's /run.
 */
export const directoryAttacks: readonly BoundAttack[] = [
  ["fill the host's /run from its private directory", 'fill-file {dir}/filler 16', 'ENOSPC', 'ok'],
]
