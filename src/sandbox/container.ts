/** A container in the sandbox's machine, driven through the guest agent. */
import type { AgentFacts } from '../agent/agent-facts.ts'
import type { AgentClient } from '../agent/client.ts'
import { asCommandError } from '../agent/command-error.ts'
import { asDiskError } from '../agent/disk-error.ts'
import type { LendPlace } from '../agent/stream-place.ts'
import { KataError } from '../errors.ts'
import { SIGKILL } from '../linux/processes/signal.ts'
import { toAgentProcess } from '../oci/guest/agent-process.ts'
import { toAgentResources } from '../oci/guest/agent-resources.ts'
import { withoutHostNumbers, withoutLabels } from '../oci/guest/host-only.ts'
import type { OciResources } from '../oci/resources.ts'
import type { OciConsoleSize, OciProcess } from '../oci/spec.ts'
import { type CgroupStats, StatsContainerResponse } from '../protocol/generated/agent.ts'
import type { Spec } from '../protocol/generated/oci.ts'
import { serially } from '../time.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { AgentProcess, type ProcessOptions } from './guest/agent-process.ts'
import { requirePidsLimit } from './guest/agent-support.ts'
import type { GuestProcess, TerminalSize } from './guest/guest-process.ts'
import { defaultPeriod } from './size/sizing.ts'

/** How long the guest may take to end an exec that nobody knows of, milliseconds. */
const endMs = 60_000
/** How long the guest may take to tell a container's usage, milliseconds. containerd asks all containers of a host in turn, without a limit. */
const usageMs = 5000

/**
 * Makes the container in the guest, its init stopped before it runs.
 *
 * @throws KataError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, DISK_UNMOUNTABLE, AGENT_NO_PIDS_LIMIT; TtrpcError with the guest's reason.
 */
export async function createInGuest(
  agent: Pick<AgentClient, 'createContainer' | 'statsContainer' | 'removeContainer'>,
  request: Parameters<AgentClient['createContainer']>[0] & { containerId: string; oci: Spec },
  { timeoutMs, facts }: { timeoutMs: number; facts: AgentFacts },
): Promise<void> {
  const { containerId, oci } = request
  // The first error matters more than what the removal leaves.
  const discard = () => agent.removeContainer({ containerId, timeout: 0 }).catch(() => {})
  await agent.createContainer(request, { timeoutMs }).catch(async (error) => {
    // A guest that has not answered in time may be at it still, on disks that the host takes back next.
    if (error instanceof TtrpcError && !error.isAnswer) await discard()
    throw asCommandError(asDiskError(error, containerId), oci.process?.args)
  })
  try {
    await requirePidsLimit(oci.linux?.resources?.pids?.limit, containerId, facts, agent)
  } catch (error) {
    await discard()
    throw error
  }
}

/** What a container needs of its sandbox. */
export interface ContainerSurroundings {
  /** The process of the host that clients know the container by. */
  readonly pid: number
  /** Its id in the guest. */
  readonly guestId: string
  /** It runs in the guest, frozen: its start lets it go on. */
  readonly isFrozen?: boolean
  readonly agentFacts: AgentFacts
  /** The limits at its creation. */
  readonly resources: OciResources
  readonly lendPlace?: LendPlace
  /** Makes the machine large enough for new limits. */
  resize(resources: OciResources): Promise<void>
  /** Runs once its init process has ended, before that end is reported. Never throws. */
  afterEnd?(): Promise<void>
  /** Runs once its processes stand still. Never throws. */
  afterPause?(): Promise<void>
  /** What the whole pod costs the host. Only a pod's own container has it. */
  hostUsage?(): CgroupStats
  /** Removes what the container has in the sandbox. `isHeld`: the guest has perhaps not let go of it. */
  remove(how?: { readonly isHeld: boolean }): Promise<void>
}

export class Container {
  readonly id: string
  readonly init: GuestProcess
  /** {@link ContainerSurroundings.pid}. */
  readonly pid: number
  /** {@link ContainerSurroundings.guestId}. */
  readonly #guestId: string
  readonly #agent: AgentClient
  readonly #surroundings: ContainerSurroundings
  #resources: OciResources
  readonly #oneUpdate = serially()

  constructor(id: string, agent: AgentClient, surroundings: ContainerSurroundings) {
    this.id = id
    this.pid = surroundings.pid
    const { guestId, isFrozen } = surroundings
    this.#guestId = guestId
    this.#agent = agent
    this.#surroundings = surroundings
    this.#resources = surroundings.resources
    this.init = new AgentProcess(
      agent,
      { containerId: guestId, execId: '' },
      () => (isFrozen ? this.resume() : agent.startContainer({ containerId: guestId })),
      { afterEnd: surroundings.afterEnd, ...this.#streams },
    )
  }

  /** Another process in the container; it runs once it is started. */
  exec(execId: string, process: OciProcess): GuestProcess {
    const ids = { containerId: this.#guestId, execId }
    const launch = (size?: TerminalSize) => {
      const sized = size === undefined ? process : { ...process, consoleSize: consoleSizeOf(size) }
      return this.#agent
        .execProcess({ ...ids, process: toAgentProcess(withoutLabels(sized)) })
        .catch((error) => {
          if (isUnanswered(error)) void this.#endUnanswered(ids)
          throw asCommandError(error, process.args)
        })
    }
    return new AgentProcess(this.#agent, ids, launch, this.#streams)
  }

  /**
   * Ends a process whose start the guest has not answered in time: it may come to run, and nobody would know of it. Both agents let a signal wait for a
   * start that is under way. With the answer to the wait the guest forgets it.
   */
  async #endUnanswered(ids: { containerId: string; execId: string }): Promise<void> {
    try {
      await this.#agent.signalProcess({ ...ids, signal: SIGKILL })
      await this.#agent.waitProcess(ids, { timeoutMs: endMs })
    } catch {
      // It does not run, or the guest answers nothing.
    }
  }

  /** How the streams of its processes go. Our own agent begins calls as they come. */
  get #streams(): ProcessOptions {
    const { agentFacts, lendPlace } = this.#surroundings
    return { inOrder: agentFacts.name === 'kata-ts', lendPlace }
  }

  async pause(): Promise<void> {
    try {
      await this.#agent.pauseContainer({ containerId: this.#guestId })
    } catch (error) {
      // The guest may stop it yet, and it counts as running.
      if (isUnanswered(error)) void this.resume().catch(() => {})
      throw error
    }
    await this.#surroundings.afterPause?.()
  }

  async resume(): Promise<void> {
    await this.#agent.resumeContainer({ containerId: this.#guestId })
  }

  /**
   * `resources` are the limits to change; what they do not name stays as it is. One change follows the other: each is added to what is in force.
   *
   * @throws KataError MEMORY_LIMIT_IN_USE, AGENT_NO_PIDS_LIMIT, those of the machine's size; TtrpcError with the guest's reason.
   */
  update(resources: OciResources): Promise<void> {
    return this.#oneUpdate(() => this.#update(resources))
  }

  async #update(resources: OciResources): Promise<void> {
    await this.#requireRoom(resources)
    const merged = mergeResources(this.#resources, resources)
    try {
      await this.#surroundings.resize(merged)
      await this.#agent.updateContainer({
        containerId: this.#guestId,
        resources: toAgentResources(changesForGuest(resources, merged)),
      })
    } catch (error) {
      // The machine is not for what is not in force. Without an answer it may be. The first error matters more.
      if (!(error instanceof TtrpcError) || error.isAnswer)
        await this.#surroundings.resize(this.#resources).catch(() => {})
      throw error
    }
    this.#resources = merged
    await requirePidsLimit(
      BigInt(resources.pids?.limit ?? 0),
      this.#guestId,
      this.#surroundings.agentFacts,
      this.#agent,
    )
  }

  async #requireRoom({ memory: { limit = 0, checkBeforeUpdate } = {} }: OciResources): Promise<void> {
    if (!checkBeforeUpdate || limit <= 0) return
    const { cgroupStats } = await this.#agent.statsContainer({ containerId: this.#guestId })
    const used = Number(cgroupStats?.memoryStats?.usage?.usage ?? 0n)
    if (used > limit) throw new KataError('MEMORY_LIMIT_IN_USE', { container: this.id, used, limit })
  }

  /**
   * The container's usage in the guest. A pod's own container idles there, and gets the host's figures for the whole pod. These come without
   * those of the network while the guest does not answer.
   *
   * @throws TtrpcError with the guest's reason, or caused by KataError AGENT_TIMEOUT.
   */
  async stats(): Promise<StatsContainerResponse> {
    const { hostUsage } = this.#surroundings
    const asked = this.#agent.statsContainer({ containerId: this.#guestId }, { timeoutMs: usageMs })
    if (hostUsage === undefined) return asked
    const stats = await asked.catch((error) => {
      if (!isUnanswered(error)) throw error
      return StatsContainerResponse.fromPartial({})
    })
    return { ...stats, cgroupStats: hostUsage() }
  }

  /**
   * Removes the container from the guest and then from the sandbox, even when the guest refuses: a guest cannot keep what its
   * container has on the host, but for disks that it may still be writing back.
   *
   * @throws TtrpcError with the guest's reason; what the removal from the sandbox throws.
   */
  async remove(): Promise<void> {
    try {
      await this.#agent.removeContainer({ containerId: this.#guestId, timeout: 0 })
    } catch (error) {
      // The teardown of a lost machine releases what this container had.
      if (error instanceof TtrpcError) await this.#surroundings.remove({ isHeld: true })
      throw error
    }
    await this.#surroundings.remove()
  }
}

/** Whether the guest may do yet what was asked of it. */
const isUnanswered = (error: unknown): boolean => error instanceof TtrpcError && !error.isAnswer

const consoleSizeOf = ({ rows, columns }: TerminalSize): OciConsoleSize => ({ height: rows, width: columns })

/** Merges the fields of `cpu`, `memory` and other objects; a list replaces the old one. */
function mergeResources(before: OciResources, changes: OciResources): OciResources {
  const { cpu, memory, pids, blockIO, network, unified } = changes
  return {
    ...before,
    ...changes,
    ...(cpu && { cpu: merge(before.cpu, cpu, ['quota', 'period', 'cpus', 'mems']) }),
    ...(memory && { memory: merge(before.memory, memory, ['limit']) }),
    ...(pids && { pids: { ...before.pids, ...pids } }),
    ...(blockIO && { blockIO: { ...before.blockIO, ...blockIO } }),
    ...(network && { network: { ...before.network, ...network } }),
    ...(unified && { unified: { ...before.unified, ...unified } }),
  }
}

/** For these names zero and an empty text stand for what is not given, as with runc: the guest takes them so, too. */
function merge<T extends object>(before: T | undefined, changes: T, names: readonly (keyof T)[]): T {
  const kept = names.filter((name) => !changes[name] && before?.[name])
  return { ...before, ...changes, ...Object.fromEntries(kept.map((name) => [name, before?.[name]])) }
}

/**
 * Rules of devices stay as they were made: these have the host's numbers, and clients send them along with every change. Quota and period
 * go together: cgroup v2 has one file for both, and crun would write its default for the one that is missing, "no limit" for the quota.
 */
function changesForGuest(changes: OciResources, { cpu: merged }: OciResources): OciResources {
  const { devices: _hostRules, ...limits } = withoutHostNumbers(changes)
  if (!changes.cpu?.quota && !changes.cpu?.period) return limits
  const { quota, period = defaultPeriod } = merged ?? {}
  return { ...limits, cpu: { ...limits.cpu, ...(quota && { quota }), period } }
}
