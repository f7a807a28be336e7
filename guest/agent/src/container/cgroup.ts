/** One container's cgroup. */
import { directories } from 'syscalls'
import type { CgroupStats } from '../../../../src/protocol/generated/agent.ts'
import { cgroupRoot, containersCgroup, mostThreadsOfOne } from '../boot/cgroups.ts'
import { deadline } from '../errors.ts'
import { cgroupStats, parseFlatKeyed } from '../statistics/cgroup-stats.ts'
import { exists, list, readIfThere, removeIfEmpty, set } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { signalPid } from './process.ts'

/** More than an init system in a container makes, or a runtime of containers there. */
const [deepest, mostBelow] = [32, 4096]
/** The agent answers other calls between so many cgroups. */
const pieceSize = 50
const freezeLimitMilliseconds = 10_000
const removeLimitMilliseconds = 10_000

export interface Cgroup {
  /** From the root of the cgroup file system. */
  readonly path: string
  /** Its directory in the guest. */
  readonly directory: string
}

export function cgroupOf(containerId: string): Cgroup {
  const path = `${containersCgroup}/${containerId}`
  return { path, directory: `${cgroupRoot}${path}` }
}

/** The parent of all containers' cgroups. What it counts stays when one of them goes. */
export const allContainers: Cgroup = { path: containersCgroup, directory: `${cgroupRoot}${containersCgroup}` }

/**
 * Bounds what its specification does not. A container that may write to its cgroup can make others below it, and the agent goes through all of that
 * in the end. None of the files can be written from inside a cgroup namespace (cgroup2's `nsdelegate`).
 */
export function limitCgroup({ directory }: Cgroup): void {
  const limits = {
    'cgroup.max.depth': deepest,
    'cgroup.max.descendants': mostBelow,
    'pids.max': mostThreadsOfOne(),
  }
  for (const [name, most] of Object.entries(limits)) {
    const file = `${directory}/${name}`
    if (readIfThere(file)?.trim() === 'max') set(file, String(most))
  }
}

/** SIGKILL for every process in it, also for those being forked this moment and for frozen ones. */
export function killCgroup({ directory }: Cgroup): void {
  set(`${directory}/cgroup.kill`, '1')
}

/**
 * A signal for every process in it, and in cgroups below. It is told to stand still meanwhile, and looked at until it has none that was not there
 * before: a fork that had begun brings one.
 */
export function signalCgroup({ directory }: Cgroup, signal: number): void {
  const file = `${directory}/cgroup.freeze`
  // A container that is paused has the signal when it goes on.
  const isPaused = readIfThere(file)?.trim() === '1'
  set(file, '1')
  try {
    const told = new Set<number>()
    const others = () => processesIn(directory).filter((pid) => !told.has(pid))
    for (let found = others(); found.length > 0; found = others())
      for (const pid of found) {
        told.add(pid)
        signalPid(pid, signal)
      }
  } finally {
    if (!isPaused) set(file, '0')
  }
}

function processesIn(directory: string): number[] {
  const own = (readIfThere(`${directory}/cgroup.procs`) ?? '').split('\n').filter((line) => line !== '')
  return [...own.map(Number), ...cgroupsIn(directory).flatMap(processesIn)]
}

/** Those right below it, whatever bytes a container has in their names. Each has a hundred files, at which nobody looks. */
function cgroupsIn(directory: string): string[] {
  try {
    return directories(directory).map((name) => `${directory}/${name}`)
  } catch {
    // It is gone.
    return []
  }
}

/**
 * Stops or continues all its processes and waits until that is so.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED; what could not be stopped in time then goes on.
 */
export async function freezeCgroup({ directory }: Cgroup, frozen: boolean): Promise<void> {
  set(`${directory}/cgroup.freeze`, frozen ? '1' : '0')
  const isDone = () =>
    parseFlatKeyed(readIfThere(`${directory}/cgroup.events`) ?? '').frozen === (frozen ? 1n : 0n)
  for (let waited = 0; !isDone(); waited += 5) {
    if (waited >= freezeLimitMilliseconds) {
      // The kernel would stop it later, and the host takes it for running.
      if (frozen) set(`${directory}/cgroup.freeze`, '0')
      throw deadline(
        `the container did not ${frozen ? 'stop' : 'continue'} within ${freezeLimitMilliseconds} ms`,
      )
    }
    await sleep(5)
  }
}

/** Removes it with whatever the container made below it. Its processes must have been killed. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  const { directory } = cgroup
  // A killed process leaves its cgroup a moment after its parent has seen its end.
  for (let waited = 0; exists(directory); waited += 2) {
    await removeEmptyCgroups(directory, { handled: 0 })
    if (waited >= removeLimitMilliseconds) throw deadline(`cgroup ${directory} stays in use`)
    if (!exists(directory)) return
    // An exec that was on its way comes in after the others were killed.
    killCgroup(cgroup)
    await sleep(2)
  }
}

async function removeEmptyCgroups(directory: string, progress: { handled: number }): Promise<void> {
  if (removeIfEmpty(directory)) return
  if (++progress.handled % pieceSize === 0) await sleep(0)
  for (const cgroup of cgroupsIn(directory)) await removeEmptyCgroups(cgroup, progress)
  removeIfEmpty(directory)
}

/** Sizes of huge pages that the guest's kernel has and can limit, as the OCI specification writes them: `2MB`. */
export function limitedPageSizes({ directory }: Cgroup = allContainers): string[] {
  return list(directory).flatMap((name) => /^hugetlb\.(\w+)\.max$/.exec(name)?.[1] ?? [])
}

export function statsOf({ directory }: Cgroup): CgroupStats {
  return cgroupStats((name) => readIfThere(`${directory}/${name}`))
}

/** How many of its processes, and of cgroups below, the kernel has killed for want of memory. */
export function oomKills({ directory }: Cgroup): bigint {
  return parseFlatKeyed(readIfThere(`${directory}/memory.events`) ?? '').oom_kill ?? 0n
}
