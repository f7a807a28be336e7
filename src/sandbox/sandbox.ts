/** One pod: its machine, its share and its containers, from the moment the guest answers until nothing is left. */
import { rmSync } from 'node:fs'
import type { AgentFacts } from '../agent/agent-facts.ts'
import type { AgentConnection } from '../agent/connection.ts'
import { warnClient } from '../bundle/warnings.ts'
import type { Config } from '../config/config.ts'
import type { KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { Logger } from '../log.ts'
import { isPodSandbox } from '../oci/annotations.ts'
import type { DeviceRights } from '../oci/devices/device-rights.ts'
import { toAgentSpec } from '../oci/guest/agent-spec.ts'
import { guestSpec } from '../oci/guest/pipeline.ts'
import { warnOfHooks } from '../oci/hooks.ts'
import type { OciSpec } from '../oci/spec.ts'
import { terminationMount } from '../oci/termination-mount.ts'
import type { CgroupStats } from '../protocol/generated/agent.ts'
import type { Identity } from '../rootless/jail/launch-spec.ts'
import { forgetPostures } from '../rootless/posture/posture-record.ts'
import type { RootfsMount, Share } from '../sharing/share.ts'
import { within } from '../time.ts'
import type { Vmm } from '../vmm/vmm.ts'
import { Container, createInGuest } from './container.ts'
import { VfioDevices, vfioHost } from './devices/vfio-devices.ts'
import type { MachineEnd } from './end/machine-end.ts'
import { PodOomScore } from './end/pod-oom-score.ts'
import { requireSeccomp, requireSubpaths, requireTarget } from './guest/agent-support.ts'
import { type HeldUp, tellSilence } from './guest/health.ts'
import { type OomWatch, watchOom } from './guest/oom.ts'
import { undrivenDevices } from './guest/passed-drivers.ts'
import type { SandboxNetwork } from './network/network.ts'
import { ContainerPids } from './pids/container-pids.ts'
import { jailedStandIns } from './pids/stand-ins.ts'
import type { SandboxPaths } from './records/paths.ts'
import type { MachineSizer } from './size/machine-sizer.ts'
import { demandOf, demandOfContainer } from './size/sizing.ts'
import { attachDisks, type ContainerDisks, releaseDisks } from './storage/container-disks.ts'
import { messageBringer } from './storage/copied-message.ts'
import type { Disks } from './storage/disks.ts'
import { carryMounts } from './storage/mounts.ts'
import { requireSharedIds } from './storage/share-ids.ts'
import { unwatchedWarning } from './storage/watched-volume.ts'

export interface SandboxParts {
  readonly id: string
  readonly config: Config
  readonly identity: Identity
  readonly paths: SandboxPaths
  readonly ledger: Ledger
  readonly end: MachineEnd
  readonly vmm: Vmm
  readonly vmmProcess: ProcessRef
  readonly share: Share
  readonly disks: Disks
  readonly network: SandboxNetwork
  readonly agent: AgentConnection
  readonly agentFacts: AgentFacts
  readonly sizer: MachineSizer
  /** {@link CgroupPlacement.usage}. */
  hostUsage(): CgroupStats
  readonly log: Logger
}

export interface ContainerRequest {
  readonly id: string
  /** As the host has it; what the guest gets of it is made here. */
  readonly spec: OciSpec
  /** What the spec says of devices, decided once (../oci/devices/device-rights.ts). */
  readonly rights: DeviceRights
  /** Where the client keeps the container's bundle. */
  readonly bundle: string
  /** Mounts that make up the root file system, as containerd describes them; none: `root.path` of the spec is it. */
  readonly rootfs: readonly RootfsMount[]
}

/** How long the guest may take to end its processes and write back what it holds, milliseconds. */
const farewellMs = 5000
/** How long a container that was being made may take to fail once its machine is gone, milliseconds. */
const makingMs = 10_000

export class Sandbox {
  /** Settles with the reason if the machine ends without having been asked to; never otherwise. */
  readonly died: Promise<KataError>
  /** Settles once {@link stop} has ended the machine, before all that it held is released. */
  readonly stopped: Promise<void>
  readonly #parts: SandboxParts
  readonly #vfio: VfioDevices
  readonly #oomScore: PodOomScore
  readonly #pids: ContainerPids
  readonly #stopped = Promise.withResolvers<void>()
  readonly #making = new Set<Promise<unknown>>()
  /** Volumes that are too large to be watched, once it was said. */
  readonly #unwatched = new Set<string>()
  #stopping: Promise<void> | undefined

  constructor(parts: SandboxParts) {
    this.#parts = parts
    const { vmm, ledger, config, paths, agent, end } = parts
    this.#vfio = new VfioDevices({
      ...{ vmm: vmm.passThrough, ledger, hypervisor: config.hypervisor },
      host: vfioHost(paths.runDir),
    })
    this.#oomScore = new PodOomScore(paths.stateDir, parts.log)
    const jail = {
      identity: parts.identity,
      stateDir: paths.stateDir,
      log: parts.log,
      config,
      signal: end.over,
    }
    this.#pids = new ContainerPids({
      ...{ podId: parts.id, podPid: () => this.pid },
      standIns: jailedStandIns(ledger, jail, () => this.#oomScore.spread()),
    })
    this.died = end.lost
    this.stopped = this.#stopped.promise
    end.isUp()
    tellSilence(agent, end, { heldUp: () => this.heldUp, signal: end.over })
  }

  /** The process that clients know the pod by: what holds its network namespace, if they need that; or its VMM. */
  get pid(): number {
    return this.#parts.network.holder?.pid ?? this.#parts.vmmProcess.pid
  }

  /** Carries the container's files into the share and creates it in the guest, ready to be started. */
  createContainer(request: ContainerRequest): Promise<Container> {
    const making = this.#createContainer(request)
    this.#making.add(making)
    const done = () => void this.#making.delete(making)
    making.then(done, done)
    return making
  }

  async #createContainer(request: ContainerRequest): Promise<Container> {
    const { id, spec, bundle, rootfs } = request
    const { agent, agentFacts, share, config, sizer, log } = this.#parts
    const { disableGuestSeccomp, createContainerTimeout } = config.runtime
    requireSeccomp(spec, id, agentFacts, disableGuestSeccomp)
    const madeNetwork = id === this.#parts.id && this.#parts.network.holder !== undefined
    warnOfHooks(spec, id, this.#parts.log, madeNetwork)
    if (share.idMap !== undefined) requireSharedIds(spec, id, share.idMap)
    const processes = this.#pids.sharedWith(id, spec)
    requireTarget(processes.pidnsContainer, id, agentFacts)
    const known = this.#pids.add(id, processes)
    try {
      await sizer.demand(id, demandOfContainer(spec))
      this.#oomScore.add(id, spec)
      const guestRootfs = await share.addRootfs(id, rootfsMounts({ spec, rootfs }))
      const passed = await this.#vfio.attach(request)
      const disks = await this.#attachDisks(request)
      const carried = await carryMounts(spec, id, share, {
        disks: disks.mounts,
        addWatched: agentFacts.watchesVolumes ? share.addWatched : undefined,
      })
      const facts = {
        containerId: id,
        bundle,
        rights: request.rights,
        terminationPath: terminationMount(spec)?.destination,
        rootfs: guestRootfs.path,
        mounts: carried.mounts,
        passedDevices: passed.passed,
        diskRules: disks.rules,
        mountRules: carried.deviceRules,
        disableGuestSeccomp,
      }
      const oci = toAgentSpec(guestSpec(spec, facts))
      const devices = [...disks.devices, ...passed.devices]
      const own = guestRootfs.storages.map((storage) => ({ ...storage, options: [...storage.options] }))
      const storages = [...own, ...carried.storages, ...disks.storages]
      requireSubpaths(storages, id, agentFacts)
      await createInGuest(
        agent.agent,
        { containerId: id, execId: id, oci, devices, storages, ...processes },
        { timeoutMs: createContainerTimeout * 1000, facts: agentFacts },
      )
      for (const warning of await undrivenDevices(passed.devices, id, agent.agent, log))
        warnClient(bundle, warning, log)
      this.#tellUnwatched(carried.unwatched, bundle)
      await known
    } catch (error) {
      // The end of a machine that is over releases what it had of this container, too.
      if (!this.#parts.end.isLost)
        await this.#release(id).catch((left) =>
          log.error('a failed container left something', { id, error: left }),
        )
      throw error
    }
    const afterEnd = share.copiesFiles ? messageBringer(id, spec, { agent: agent.agent, log }) : undefined
    return new Container(id, agent.agent, {
      pid: await known,
      ...(afterEnd !== undefined && { afterEnd }),
      agentFacts,
      resources: spec.linux?.resources ?? {},
      resize: async (resources) => {
        if (!isPodSandbox(spec)) await sizer.demand(id, demandOf(resources))
      },
      // A single container has no other that would tell what it uses.
      ...(isPodSandbox(spec) && { hostUsage: () => this.#parts.hostUsage() }),
      remove: () => this.#release(id),
    })
  }

  /** Once for each volume, whichever containers mount it. */
  #tellUnwatched(sources: readonly string[], bundle: string): void {
    for (const source of sources.filter((source) => !this.#unwatched.has(source))) {
      this.#unwatched.add(source)
      warnClient(bundle, unwatchedWarning(source), this.#parts.log)
    }
  }

  #attachDisks({ id: containerId, spec, rights }: ContainerRequest): Promise<ContainerDisks> {
    const { id: sandboxId, ledger, config, disks } = this.#parts
    const { hypervisor } = config
    return attachDisks({ containerId, sandboxId, spec, rights, disks, ledger, hypervisor })
  }

  /** What a container had on the host, once the guest has let go of it. */
  async #release(containerId: string): Promise<void> {
    const { share, ledger, sizer, disks } = this.#parts
    await share.removeContainer(containerId)
    await releaseDisks(containerId, disks, ledger)
    await this.#vfio.detach(containerId)
    await sizer.forget(containerId)
    await this.#pids.remove(containerId)
    this.#oomScore.remove(containerId)
  }

  /** Tells of each container in which the guest's kernel killed a process for want of memory, until the sandbox ends. */
  watchOom(watch: OomWatch): Promise<void> {
    return watchOom(this.#parts.agent.agent, watch)
  }

  /** What the pod costs the host, by the kernel's count of its cgroups. */
  hostUsage(): CgroupStats {
    return this.#parts.hostUsage()
  }

  /** Gives the machine the network that its namespace got since the start; to be called before anything runs in it. */
  async attachLateNetwork(): Promise<void> {
    const { network, vmm, agent } = this.#parts
    await network.attachLate(vmm, agent.agent)
  }

  /** {@link HealthOptions.heldUp}. */
  get heldUp(): HeldUp {
    return this.#vfio.heldUp
  }

  /** Lets the sandbox die for `reason`, which {@link died} tells: its guest does not do what a guest must. */
  condemn(reason: string): void {
    this.#parts.end.tell('condemned', reason)
  }

  /** Ends the machine and releases everything; every caller waits for the same, one teardown. */
  stop(): Promise<void> {
    this.#parts.end.tell('asked', true)
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const { agent, end, vmm, ledger, paths, log } = this.#parts
    // From here on it is no running sandbox, and nobody is to wonder at processes that are gone.
    forgetPostures(paths.stateDir)
    // Lets the guest end its processes and write back its caches; one that lost its share or machine has no say.
    if (!end.isLost) {
      await agent.agent
        .destroySandbox({}, { timeoutMs: farewellMs })
        .catch((error) => log.debug('no farewell from the guest', { error }))
    }
    agent.close()
    await vmm.stop()
    this.#stopped.resolve()
    // What it takes meanwhile would be released by nobody.
    await within(Promise.allSettled(this.#making), makingMs)
    await ledger.releaseAll()
    rmSync(paths.stateDir, { recursive: true, force: true })
    log.info('sandbox stopped')
  }
}

/** What makes up a container's root file system: without mounts from the client the bundle's own directory. */
export function rootfsMounts({
  spec,
  rootfs,
}: Pick<ContainerRequest, 'spec' | 'rootfs'>): readonly RootfsMount[] {
  if (rootfs.length > 0) return rootfs
  const source = spec.root?.path ?? ''
  return [{ type: 'bind', source, options: ['rbind', spec.root?.readonly === true ? 'ro' : 'rw'] }]
}
