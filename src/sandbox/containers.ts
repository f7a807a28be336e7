/** The containers of a sandbox: what each gets of the host, its creation in the guest, and what is released after it. */
import type { AgentFacts } from '../agent/agent-facts.ts'
import { warnClient } from '../bundle/warnings.ts'
import { KataError } from '../errors.ts'
import { everyStep } from '../ledger/every-step.ts'
import { isPodSandbox } from '../oci/annotations.ts'
import { toAgentSpec } from '../oci/guest/agent-spec.ts'
import { refuseMappedMounts } from '../oci/guest/namespaces.ts'
import { guestSpec } from '../oci/guest/pipeline.ts'
import { compileSeccomp } from '../oci/guest/seccomp-filter.ts'
import { warnOfHooks } from '../oci/hooks.ts'
import type { OciSpec } from '../oci/spec.ts'
import { terminationMount } from '../oci/termination-mount.ts'
import type { VolumeStatsResponse } from '../protocol/generated/agent.ts'
import type { GuestRootfs } from '../sharing/share.ts'
import type { BufferPlace, StreamBuffer } from '../sharing/stream-buffer.ts'
import { Container, createInGuest } from './container.ts'
import { type ContainerRequest, rootfsMounts } from './container-request.ts'
import { type PassedVfio, VfioDevices, vfioHost } from './devices/vfio-devices.ts'
import { removeScratchDisk } from './disks/bring-layers.ts'
import { EmptyDirs } from './disks/empty-dirs.ts'
import { modulesOf } from './disks/layer-verity.ts'
import { bringRootfs } from './disks/ready-rootfs.ts'
import { PodOomScore } from './end/pod-oom-score.ts'
import {
  requireSeccomp,
  requireSubpaths,
  requireTarget,
  requireVerifier,
  warnOfOwnFields,
} from './guest/agent-support.ts'
import type { HeldUp } from './guest/health.ts'
import { undrivenDevices } from './guest/passed-drivers.ts'
import { giveMemoryBack } from './guest/paused-memory.ts'
import { volumeStats } from './guest/volume-stats.ts'
import { ContainerPids, type SharedProcesses } from './pids/container-pids.ts'
import { jailedStandIns } from './pids/stand-ins.ts'
import { podPid, type SandboxParts } from './sandbox-parts.ts'
import { demandOfContainer } from './size/sizing.ts'
import {
  attachDisks,
  type ContainerDisks,
  type DirectVolumePlace,
  releaseDisks,
} from './storage/container-disks.ts'
import { messageBringer } from './storage/copied-message.ts'
import { growVolume } from './storage/grow-volume.ts'
import { carryMounts, type GuestMounts } from './storage/mounts.ts'
import { requireSharedIds } from './storage/share-ids.ts'
import { unwatchedWarning } from './storage/watched-volume.ts'

/**
 * How long a container that failed waits for the guest to remove its copies of files, milliseconds. A guest that does not answer has cost it the limit
 * of a call already; one that is slow removes them later.
 */
const copiesMs = 5000

/** What a container has in share and machine, before the guest knows of it. */
interface Carried {
  readonly rootfs: GuestRootfs
  readonly passed: PassedVfio
  readonly disks: ContainerDisks
  readonly mounts: GuestMounts
}

export class Containers {
  readonly #parts: SandboxParts
  readonly #vfio: VfioDevices
  readonly #oomScore: PodOomScore
  readonly #emptyDirs: EmptyDirs
  readonly #pids: ContainerPids
  /** {@link ContainerDisks.directVolumes} of each container. */
  readonly #directVolumes = new Map<string, ContainerDisks['directVolumes']>()
  /** Those that are there, as they were asked for. */
  readonly #requests = new Map<string, ContainerRequest>()
  /** Made when a process first has much output or input. */
  #buffer: StreamBuffer | undefined
  #asksBuffer = false
  /** Volumes that are too large to be watched, once that was reported. */
  readonly #unwatched = new Set<string>()

  constructor(parts: SandboxParts) {
    const { id, identity, vmm, ledger, config, paths, end, log } = parts
    this.#parts = parts
    this.#vfio = new VfioDevices({
      vmm: vmm.passThrough,
      ledger,
      hypervisor: config.hypervisor,
      host: vfioHost(paths.runDir),
    })
    this.#emptyDirs = new EmptyDirs({ ...parts, sandboxId: id, stateDir: paths.stateDir })
    this.#oomScore = new PodOomScore(paths.stateDir, log)
    const jail = { identity, stateDir: paths.stateDir, log, config, signal: end.over }
    this.#pids = new ContainerPids({
      podId: id,
      podPid: () => podPid(parts),
      standIns: jailedStandIns(ledger, jail, () => this.#oomScore.spread()),
    })
  }

  /** {@link HealthOptions.heldUp}. */
  get heldUp(): HeldUp {
    return this.#vfio.heldUp
  }

  /**
   * What a direct-assigned volume has and uses, by its path on the host: its file system is mounted in the guest alone.
   *
   * @throws KataError DIRECT_VOLUME_UNUSED; TtrpcError with the guest's reason.
   */
  volumeStats(volume: string): Promise<VolumeStatsResponse> {
    return volumeStats(this.#parts.agent.agent, this.#directVolume(volume).guestPath)
  }

  /**
   * Lets the file system of a direct-assigned volume be `size` bytes large; its disk has to be on the host already.
   *
   * @throws KataError DIRECT_VOLUME_UNUSED, DIRECT_VOLUME_SIZE, DIRECT_VOLUME_MISSING, DIRECT_VOLUME_NOT_GROWN, DEVICE_*, those of the
   *   VMM.
   */
  async resizeVolume(volume: string, size: bigint): Promise<void> {
    const { disks, agent } = this.#parts
    await growVolume({ disks, agent: agent.agent }, { volume, size, place: this.#directVolume(volume) })
  }

  #directVolume(volume: string): DirectVolumePlace {
    const [place] = [...this.#directVolumes.values()].flatMap((volumes) => volumes.get(volume) ?? [])
    if (place === undefined) throw new KataError('DIRECT_VOLUME_UNUSED', { volume })
    return place
  }

  /** Those that are there, with their ids in the guest. */
  get all(): readonly (ContainerRequest & { readonly guestId: string })[] {
    return [...this.#requests.values()].map((request) => ({
      ...request,
      guestId: this.guestIdOf(request.id),
    }))
  }

  /** The guest of a machine that was saved knows the container that it went on with by the id of then. */
  guestIdOf(id: string): string {
    const { id: sandboxId, guestId } = this.#parts
    return id === sandboxId ? (guestId ?? id) : id
  }

  /** Carries the container's files into the share and creates it in the guest, ready to be started. */
  async create(request: ContainerRequest): Promise<Container> {
    const { id } = request
    const { end } = this.#parts
    const processes = this.#check(request)
    const started = this.#pids.add(id, processes)
    // It is awaited below; a step that fails before that must not leave its failure unheard.
    started.catch(() => {})
    try {
      if (this.#isThere(id)) await this.#makeRoom(request)
      else await this.#createWhole(request, processes, started)
      this.#requests.set(id, request)
      return this.#made(request, await started)
    } catch (error) {
      // The teardown of a lost machine releases what this container had.
      if (!end.isLost) await this.#releaseUnmade(id)
      throw error
    }
  }

  async #releaseUnmade(id: string): Promise<void> {
    const { agent, share, log } = this.#parts
    await this.#release(id).catch((left) =>
      log.error('a failed container left something', { id, error: left }),
    )
    // Our agent takes its copies away then, though it has no container of this name, and says so. None is added any more.
    if (share.copiesFiles && !this.#isThere(id))
      await agent.agent
        .removeContainer({ containerId: id, timeout: 0 }, { timeoutMs: copiesMs })
        .catch(() => {})
  }

  /** What can be refused before the container has anything. */
  #check({ id, spec }: ContainerRequest): SharedProcesses {
    const { id: sandboxId, agentFacts, config, network, share, log } = this.#parts
    requireSeccomp(spec, id, agentFacts, config.runtime.disableGuestSeccomp)
    refuseMappedMounts(spec)
    warnOfHooks(spec, id, log, id === sandboxId && network.holder !== undefined)
    warnOfOwnFields(spec, id, agentFacts, log)
    if (share.idMap !== undefined) requireSharedIds(spec, id, share.idMap)
    const processes = this.#pids.sharedWith(id, spec)
    requireTarget(processes.pidnsContainer, id, agentFacts)
    return processes
  }

  /** Whether the guest went on with it. */
  #isThere(id: string): boolean {
    const { id: sandboxId, guestId } = this.#parts
    return id === sandboxId && guestId !== undefined
  }

  async #createWhole(
    request: ContainerRequest,
    processes: SharedProcesses,
    started: Promise<number>,
  ): Promise<void> {
    const carried = await this.#carry(request)
    await this.#createInGuest(request, carried, processes)
    try {
      this.#directVolumes.set(request.id, carried.disks.directVolumes)
      await this.#warn(request, carried)
      await started
    } catch (error) {
      // The guest lets go of what the host takes back next. The first error matters more than what the removal leaves.
      await this.#parts.agent.agent.removeContainer({ containerId: request.id, timeout: 0 }).catch(() => {})
      throw error
    }
  }

  async #makeRoom({ id, spec }: ContainerRequest): Promise<void> {
    const { sizer, cpus } = this.#parts
    await sizer.demand(id, demandOfContainer(spec))
    await cpus.place(id, spec.linux?.resources)
    this.#oomScore.add(id, spec)
  }

  async #carry(request: ContainerRequest): Promise<Carried> {
    const { id, spec } = request
    const { share, agentFacts } = this.#parts
    await this.#makeRoom(request)
    const rootfs = await bringRootfs(this.#parts, id, rootfsMounts(request))
    const passed = await this.#vfio.attach(request)
    const disks = await this.#attachDisks(request)
    const addWatched = agentFacts.watchesVolumes ? share.addWatched : undefined
    const ways = { disks: disks.mounts, emptyDirs: this.#emptyDirs, addWatched }
    const mounts = await carryMounts(spec, id, share, ways)
    return { rootfs, passed, disks, mounts }
  }

  #attachDisks({ id: containerId, spec, rights }: ContainerRequest): Promise<ContainerDisks> {
    const { id: sandboxId, ledger, config, disks } = this.#parts
    const { hypervisor } = config
    return attachDisks({ containerId, sandboxId, spec, rights, disks, ledger, hypervisor })
  }

  async #createInGuest(
    { id, spec, bundle, rights }: ContainerRequest,
    { rootfs, passed, disks, mounts }: Carried,
    processes: SharedProcesses,
  ): Promise<void> {
    const { agent, agentFacts, config, modules } = this.#parts
    const { disableGuestSeccomp, createContainerTimeout } = config.runtime
    const forGuest = guestSpec(spec, {
      containerId: id,
      bundle,
      rights,
      disableGuestSeccomp,
      terminationPath: terminationMount(spec)?.destination,
      seccompFilter: disableGuestSeccomp ? undefined : seccompFilterFor(spec, agentFacts),
      rootfs: rootfs.path,
      mounts: mounts.mounts,
      passedDevices: passed.passed,
      diskRules: disks.rules,
      mountRules: mounts.deviceRules,
    })
    const own = rootfs.storages.map((storage) => ({ ...storage, options: [...storage.options] }))
    const storages = [...own, ...mounts.storages, ...disks.storages]
    requireSubpaths(storages, id, agentFacts)
    requireVerifier(storages, id, agentFacts)
    await modules.bring(storages.flatMap(modulesOf))
    const request = {
      containerId: id,
      execId: id,
      oci: toAgentSpec(forGuest),
      storages,
      devices: [...disks.devices, ...passed.devices],
      ...processes,
    }
    const limits = { timeoutMs: createContainerTimeout * 1000, facts: agentFacts }
    await createInGuest(agent.agent, request, limits)
  }

  async #warn({ id, bundle }: ContainerRequest, { passed, mounts }: Carried): Promise<void> {
    const { agent, log } = this.#parts
    for (const warning of await undrivenDevices(passed.devices, id, agent.agent, log))
      warnClient(bundle, warning, log)
    // Once for each volume, whichever containers mount it.
    for (const source of mounts.unwatched.filter((source) => !this.#unwatched.has(source))) {
      this.#unwatched.add(source)
      warnClient(bundle, unwatchedWarning(source), log)
    }
  }

  /** A place for much output or input. Without one it is slower, which ends no process. */
  readonly #lendPlace = (): BufferPlace | undefined => {
    if (!this.#asksBuffer) void this.#makeBuffer()
    return this.#buffer?.lend()
  }

  async #makeBuffer(): Promise<void> {
    const { share, end, log } = this.#parts
    this.#asksBuffer = true
    // What is taken after the release of the sandbox would stay.
    if (end.over.aborted) return
    try {
      this.#buffer = await share.streamBuffer?.()
    } catch (error) {
      log.warn('the stream buffer cannot be made, and much output or input takes longer', { error })
    }
  }

  #made({ id, spec }: ContainerRequest, pid: number): Container {
    const { config, agent, agentFacts, share, sizer, cpus, hostUsage, log } = this.#parts
    const afterEnd = share.copiesFiles ? messageBringer(id, spec, { agent: agent.agent, log }) : undefined
    const request = this.#requests.get(id)
    return new Container(id, agent.agent, {
      ...(agentFacts.usesStreamBuffer && { lendPlace: this.#lendPlace }),
      pid,
      guestId: this.guestIdOf(id),
      isFrozen: this.#isThere(id),
      ...(afterEnd !== undefined && { afterEnd }),
      agentFacts,
      resources: spec.linux?.resources ?? {},
      resize: async (resources) => {
        // A change may outlast its container. What the machine has for that one has been taken back then.
        if (this.#requests.get(id) !== request) return
        await sizer.demand(id, demandOfContainer(spec, resources))
        await cpus.place(id, resources)
      },
      ...(config.hypervisor.reclaimGuestFreedMemory && {
        afterPause: () => giveMemoryBack(agent.agent, this.guestIdOf(id), log),
      }),
      // A container without a pod reports its own usage.
      ...(isPodSandbox(spec) && { hostUsage }),
      remove: (how) => this.#release(id, how),
    })
  }

  /**
   * What a container had on the host, once the guest has let go of it; or with `isHeld`, what its guest cannot be writing back.
   *
   * @throws the first failure, of share or devices; everything else is released nevertheless.
   */
  async #release(containerId: string, { isHeld = false }: { isHeld?: boolean } = {}): Promise<void> {
    const { share, ledger, sizer, cpus } = this.#parts
    this.#directVolumes.delete(containerId)
    this.#requests.delete(containerId)
    await everyStep([
      () => share.removeContainer(containerId),
      () => this.#releaseDisks(containerId, isHeld),
      () => removeScratchDisk(ledger, containerId),
      () => this.#vfio.detach(containerId),
      () => sizer.forget(containerId),
      () => cpus.forget(containerId),
      () => this.#pids.remove(containerId),
      () => this.#oomScore.remove(containerId),
    ])
  }

  async #releaseDisks(id: string, isHeld: boolean): Promise<void> {
    const { disks, ledger, log } = this.#parts
    const kept = await releaseDisks(id, { disks, ledger, isHeld })
    if (kept.length > 0)
      log.warn(
        'the guest has not let go of disks that it writes to: they stay in its machine until that ends',
        {
          id,
          disks: kept,
        },
      )
  }
}

/** For our own agent only: Kata's reads the profile. */
function seccompFilterFor({ linux }: OciSpec, { name }: AgentFacts): Buffer | undefined {
  const profile = linux?.seccomp
  return profile === undefined || name !== 'kata-ts' ? undefined : compileSeccomp(profile)
}
