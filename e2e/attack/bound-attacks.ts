/**
 * What a VMM under foreign control takes of the host without breaking out: with the user of a live one and in its cgroup, by
 * host-limits.test.ts. The control is root outside. Its machine has 128 MiB.
 */
export const boundAttacks: readonly (readonly [goal: string, act: string, inPlace: string, root: string])[] =
  [["fill the host's memory with a file that no guest has, 1.5 GiB", 'fill-memory 1536', 'KILL', 'ok']]
