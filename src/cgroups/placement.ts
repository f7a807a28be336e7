/**
 * Puts the processes of a sandbox into their cgroups. With `sandbox_cgroup_only` shim, VMM and virtiofsd share one below
 * the pod's, so that the pod's limits and accounts hold for all of them. Without it only the guest's processors are there,
 * and everything that serves them is in an overhead cgroup outside the pod.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeError, KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import {
  type CgroupHierarchy,
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  enterCgroup,
  enterThread,
  hierarchyOf,
  makeCgroup,
  makeNewCgroup,
  missingCgroups,
  processesIn,
  removeCgroup,
} from '../linux/cgroups/cgroup.ts'
import { readProc } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import type { CgroupStats } from '../protocol/generated/agent.ts'
import {
  applySettings,
  type Controller,
  memorySettings,
  overheadCpuSettings,
  processSettings,
  type Settings,
} from './bounds.ts'
import { type Cpuset, writeCpuset } from './cpuset.ts'
import { outOfMemory, requireMemory } from './memory.ts'
import { ownParents, type SandboxCgroupPaths, sandboxCgroupPaths } from './paths.ts'
import { type PodLimits, podLimits } from './pod-limits.ts'
import { type CgroupPlace, cgroupsResource } from './resource.ts'
import { cgroupUsage } from './usage.ts'

export interface PlacementRequest {
  readonly sandboxId: string
  /** `linux.cgroupsPath` of the sandbox's first container. */
  readonly cgroupsPath: string | undefined
  /** Whether that lies in a cgroup of the pod's own. */
  readonly isPod: boolean
  /** `sandbox_cgroup_only`: without a usable cgroup there is no sandbox; otherwise that is a warning. */
  readonly only: boolean
  /** The sandbox's limit of host memory, in bytes; {@link CgroupPlacement.allowMemory} gives more. */
  readonly memoryBytes: number
  /**
   * Settles once what this process does meanwhile is done. A program that it starts for that may be in the cgroups, and their release, after
   * a failure, would kill it.
   */
  readonly besideThem?: Promise<void>
  readonly log: Logger
}

/** Names of threads that run a guest's processor: QEMU's (`debug-threads=on`), Cloud Hypervisor's, Firecracker's. */
export const vcpuThread = /^(CPU \d+\/|ALL CPUs\/|vcpu\d|fc_vcpu \d)/
/** Another sandbox that ends may remove an ancestor just before our cgroup is made in it. */
const attempts = 3

export class CgroupPlacement {
  readonly #paths: SandboxCgroupPaths
  /** The cgroups in which the placement succeeded. */
  readonly #hierarchies: readonly CgroupHierarchy[]
  readonly #request: PlacementRequest
  #memoryBytes: number

  private constructor(
    paths: SandboxCgroupPaths,
    hierarchies: readonly CgroupHierarchy[],
    request: PlacementRequest,
  ) {
    this.#paths = paths
    this.#hierarchies = hierarchies
    this.#request = request
    this.#memoryBytes = request.memoryBytes
  }

  /**
   * Makes the cgroups, limits them and moves this process, from which all others of the sandbox come. A host without a
   * controller for a limit is a warning.
   *
   * @throws KataError CGROUP_PATH_INVALID, CGROUP_MEMORY_TOO_SMALL; CGROUP_UNUSABLE when `only` is asked for.
   */
  static async enter(ledger: Ledger, request: PlacementRequest): Promise<CgroupPlacement> {
    const { sandboxId, cgroupsPath, only, log } = request
    const all = cgroupHierarchies()
    const named = sandboxCgroupPaths(cgroupsPath, sandboxId)
    const wantedOf = ({ sandbox, overhead }: SandboxCgroupPaths) => (only ? [sandbox] : [sandbox, overhead])
    const placesOf = (paths: SandboxCgroupPaths) =>
      all.flatMap((hierarchy) => wantedOf(paths).map((path) => placeOf(hierarchy, path)))
    if (all.length === 0) report(request, 'the cgroup file system', 'it is not mounted')
    let paths = unoccupied(named, all)
    let places = placesOf(paths)
    let wanted = wantedOf(paths)
    const usable: CgroupHierarchy[] = []
    await ledger.take(
      cgroupsResource,
      { places, areOurs: false },
      async ({ amend }) => {
        while (!claim(all, wanted)) {
          paths = beside(named)
          places = placesOf(paths)
          wanted = wantedOf(paths)
          amend({ places, areOurs: false })
        }
        amend({ places })
        for (const hierarchy of all) {
          try {
            await makeAndEnter(hierarchy, wanted)
            usable.push(hierarchy)
          } catch (error) {
            report(request, `${hierarchy.point}${paths.sandbox}`, describeError(error))
          }
        }
      },
      { releaseAfter: request.besideThem },
    )
    log.debug('cgroups entered', { paths: wanted, hierarchies: usable.map(({ point }) => point) })
    const placement = new CgroupPlacement(paths, usable, request)
    placement.#requireMemory()
    placement.#limit('memory', placement.#own, (hierarchy) => memorySettings(hierarchy, request.memoryBytes))
    placement.#limit('pids', placement.#own, processSettings)
    if (!only) placement.#limit('cpu', [paths.overhead], overheadCpuSettings)
    return placement
  }

  /** Call it before the sandbox takes more memory, with the total in bytes. The limit never shrinks. @throws KataError as {@link enter}. */
  allowMemory(bytes: number): void {
    if (bytes <= this.#memoryBytes) return
    this.#memoryBytes = bytes
    // Version 1 keeps its two values in order at every moment.
    this.#limit('memory', this.#own, (hierarchy) => memorySettings(hierarchy, bytes).toReversed())
  }

  /** The sandbox's cgroups. */
  get #own(): readonly string[] {
    const { sandbox, overhead } = this.#paths
    return this.#request.only ? [sandbox] : [sandbox, overhead]
  }

  #limit(
    controller: Controller,
    paths: readonly string[],
    settings: (hierarchy: CgroupHierarchy) => Settings,
  ): void {
    const hierarchy = hierarchyOf(this.#hierarchies, controller)
    if (hierarchy === undefined) {
      this.#request.log.warn('a sandbox without a limit: no cgroup of this host has the controller', {
        controller,
      })
      return
    }
    for (const path of paths) {
      const cgroup = cgroupDirectory(hierarchy, path)
      try {
        if (!applySettings(hierarchy, path, settings(hierarchy)))
          this.#request.log.warn('a cgroup without a limit: it lacks the controller', { cgroup, controller })
      } catch (error) {
        report(this.#request, cgroup, `its ${controller} cannot be limited: ${describeError(error)}`)
      }
    }
  }

  /**
   * Moves processes here that were started before, but for those that have ended. The memory that they have touched stays counted where they were.
   *
   * @throws KataError CGROUP_UNUSABLE when `only` is asked for.
   */
  async moveIn(pids: readonly number[]): Promise<void> {
    const path = this.#own.at(-1)!
    for (const hierarchy of this.#hierarchies)
      for (const pid of pids)
        try {
          await enterCgroup(hierarchy, path, pid)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ESRCH') continue
          const reason = `process ${pid} stays outside: ${describeError(error)}`
          report(this.#request, cgroupDirectory(hierarchy, path), reason)
        }
  }

  /**
   * Without `only`: the whole VMM into the sandbox's cgroup where version 2 counts memory. It does not split the threads of a process between
   * domains. Call it before the guest runs: what a process has touched stays counted where it was.
   */
  async placeVmm(pid: number): Promise<void> {
    if (this.#request.only) return
    for (const hierarchy of this.#ways().whole) await this.#place(hierarchy, enterCgroup, () => [pid])
  }

  /**
   * Without `only`: the guest's processors into the sandbox's cgroup, in the hierarchies that {@link placeVmm} leaves. Call it once the guest runs,
   * and again after processors were added.
   */
  async placeVcpus(pid: number): Promise<void> {
    if (this.#request.only) return
    for (const hierarchy of this.#ways().split)
      if (hierarchy.version === 2) await this.#place(hierarchy, enterCgroup, () => [pid])
      else await this.#place(hierarchy, enterThread, () => vcpuThreads(pid))
  }

  #ways(): { readonly whole: readonly CgroupHierarchy[]; readonly split: readonly CgroupHierarchy[] } {
    const memory = hierarchyOf(this.#hierarchies, 'memory')
    const whole = this.#hierarchies.filter((hierarchy) => hierarchy.version === 2 && hierarchy === memory)
    return { whole, split: this.#hierarchies.filter((hierarchy) => !whole.includes(hierarchy)) }
  }

  async #place(
    hierarchy: CgroupHierarchy,
    enter: typeof enterCgroup,
    ids: () => readonly number[],
  ): Promise<void> {
    const { sandbox } = this.#paths
    try {
      for (const id of ids()) await enter(hierarchy, sandbox, id)
    } catch (error) {
      const cgroup = `${hierarchy.point}${sandbox}`
      this.#request.log.warn('the VMM could not be placed', { cgroup, error })
    }
  }

  /** Confines the sandbox's cgroup to processors and memory nodes of the host. What cannot be is as {@link enter} says. */
  confine(cpuset: Cpuset): void {
    const hierarchy = hierarchyOf(this.#hierarchies, 'cpuset')
    const cgroup = `${hierarchy?.point ?? ''}${this.#paths.sandbox}`
    try {
      if (hierarchy === undefined || !writeCpuset(hierarchy, this.#paths.sandbox, cpuset))
        report(this.#request, cgroup, 'it has no cpuset')
    } catch (error) {
      report(this.#request, cgroup, `its processors cannot be chosen: ${describeError(error)}`)
    }
  }

  /** An error if the host's kernel ended a process of the sandbox because its cgroup had no memory left. */
  outOfMemory(): KataError | undefined {
    const hierarchy = hierarchyOf(this.#hierarchies, 'memory')
    const ends = this.#own.map((path) => hierarchy && outOfMemory(hierarchy, path, this.#request.sandboxId))
    return ends.find((end) => end !== undefined)
  }

  /** {@link podLimits}, as they are now; none for a sandbox that is no pod. */
  podLimits(): PodLimits {
    return this.#request.isPod ? podLimits(this.#hierarchies, this.#paths.sandbox) : {}
  }

  /** What the sandbox costs the host. */
  usage(): CgroupStats {
    return cgroupUsage(this.#hierarchies, this.#own)
  }

  /** The work's result; when it fails because of {@link outOfMemory}, that is the failure. */
  async explain<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw this.outOfMemory() ?? error
    }
  }

  /** @throws KataError CGROUP_MEMORY_TOO_SMALL for the cgroup in which the memory of the VMM is counted. */
  #requireMemory(): void {
    const hierarchy = hierarchyOf(this.#hierarchies, 'memory')
    // Version 1 counts a process's memory where its first thread is.
    const apart = !this.#request.only && hierarchy?.version === 1
    if (hierarchy !== undefined) requireMemory(hierarchy, apart ? this.#paths.overhead : this.#paths.sandbox)
  }
}

/**
 * Others beside them, while a process is in one of them or a dead sandbox has left one: people choose names, and a sandbox of another namespace,
 * or of another run directory, may have this one. The first to end would end both, and so would `gc`, for one that was killed.
 */
export function unoccupied(
  paths: SandboxCgroupPaths,
  hierarchies: readonly Pick<CgroupHierarchy, 'point'>[],
): SandboxCgroupPaths {
  const { sandbox, overhead } = paths
  const places = hierarchies.flatMap((hierarchy) => [sandbox, overhead].map((path) => ({ hierarchy, path })))
  const isOthers = places.some(({ hierarchy, path }) => {
    const inside = processesIn(hierarchy, path)
    // Below a parent of its client's, a client may have made it for this very sandbox.
    const isLeft =
      inside.length === 0 && ownParents.has(dirname(path)) && existsSync(cgroupDirectory(hierarchy, path))
    return isLeft || inside.some((pid) => pid !== process.pid)
  })
  return isOthers ? beside(paths) : paths
}

function beside({ sandbox, overhead }: SandboxCgroupPaths): SandboxCgroupPaths {
  const suffix = `.${crypto.randomUUID().slice(0, 8)}`
  return { sandbox: `${sandbox}${suffix}`, overhead: `${overhead}${suffix}` }
}

/**
 * Makes those that nobody but a sandbox makes, and that are this one's by that. False, with none made, when another has made one of them since
 * they were looked at: it would end with this sandbox.
 */
function claim(hierarchies: readonly CgroupHierarchy[], paths: readonly string[]): boolean {
  const made: (readonly [CgroupHierarchy, string])[] = []
  for (const hierarchy of hierarchies)
    for (const path of paths.filter((one) => ownParents.has(dirname(one))))
      try {
        makeNewCgroup(hierarchy, path)
        made.push([hierarchy, path])
      } catch (error) {
        // Where none can be made, entering it says so.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') continue
        for (const one of made) removeCgroup(...one)
        return false
      }
  return true
}

function placeOf(hierarchy: CgroupHierarchy, path: string): CgroupPlace {
  const parent = dirname(path)
  const missing = missingCgroups(hierarchy, parent)
  const ancestors = ownParents.has(parent) ? [parent] : missing
  return { point: hierarchy.point, path, origin: cgroupOf('self', hierarchy) ?? '/', ancestors }
}

/** Makes the cgroups and enters the last one. */
async function makeAndEnter(hierarchy: CgroupHierarchy, paths: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      for (const path of paths) makeCgroup(hierarchy, path)
      await enterCgroup(hierarchy, paths.at(-1)!, process.pid)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === attempts) throw error
    }
  }
}

/** The threads that run a guest's processors, in the order of these. */
export function vcpuThreads(pid: number): number[] {
  const named = readdirSync(`/proc/${pid}/task`).map((tid) => {
    return [Number(tid), readProc(`/proc/${pid}/task/${tid}/comm`) ?? ''] as const
  })
  const number = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0)
  return named
    .filter(([, name]) => vcpuThread.test(name))
    .sort(([, a], [, b]) => number(a) - number(b))
    .map(([tid]) => tid)
}

function report({ only, log }: PlacementRequest, path: string, reason: string): void {
  const error = new KataError('CGROUP_UNUSABLE', { path, reason })
  if (only) throw error
  log.warn(error.message, { code: error.code })
}
