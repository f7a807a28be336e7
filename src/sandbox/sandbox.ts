/** One pod: its machine, its share and its containers, from the moment the guest answers until nothing is left. */
import { KataError } from '../errors.ts'
import { dropCode } from '../linux/processes/drop-code.ts'
import type { CgroupStats, VolumeStatsResponse } from '../protocol/generated/agent.ts'
import { forgetPostures } from '../rootless/posture/posture-record.ts'
import { within } from '../time.ts'
import { saveAtRest } from './checkpoint/at-rest.ts'
import type { SaveRequest } from './checkpoint/save-machine.ts'
import { requireSaveable } from './checkpoint/saveable.ts'
import type { Container } from './container.ts'
import type { ContainerRequest } from './container-request.ts'
import { Containers } from './containers.ts'
import { type HeldUp, neverHeldUp, tellSilence } from './guest/health.ts'
import { type OomWatch, watchOom } from './guest/oom.ts'
import { removeState } from './records/state-dir.ts'
import { podPid, type SandboxParts } from './sandbox-parts.ts'

/** How long the guest may take to end its processes and unmount its share, milliseconds. */
const farewellMs = 5000
/**
 * The same when the guest also has to write back disks that outlive it, milliseconds: as long as any other call. Up to a fifth of its memory
 * may be unwritten, and would be lost with the machine.
 */
const writeBackMs = 60_000
/** How long a container that is being created may take to fail once its machine is gone, milliseconds. */
const makingMs = 10_000
/** Errors of a call whose machine went away. */
const losses: ReadonlySet<string> = new Set(['AGENT_DIED', 'VMM_DISCONNECTED'])

export class Sandbox {
  /** Settles with the reason if the machine ends without having been asked to; never otherwise. */
  readonly died: Promise<KataError>
  /** Settles once {@link stop} has ended the machine, or could not, before all that it held is released. */
  readonly stopped: Promise<void>
  readonly #parts: SandboxParts
  readonly #containers: Containers
  readonly #stopped = Promise.withResolvers<void>()
  /** Aborts once the machine has ended, or cannot be ended. A guest that was asked to end may act until then. */
  readonly #gone = new AbortController()
  readonly #lookedAfter: Promise<void>
  readonly #making = new Set<Promise<unknown>>()
  /** Counts saves, during which the guest does not answer. */
  #held: HeldUp = neverHeldUp()
  /** The machine was saved for good: its guest never runs again. */
  #isSaved = false
  /** Resolves once the current save is over, even if it failed; undefined if there is none. */
  #saving: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(parts: SandboxParts) {
    this.#parts = parts
    const { agent, end, log, network } = parts
    this.#containers = new Containers(parts)
    this.died = end.lost
    this.stopped = this.#stopped.promise
    end.isUp()
    this.#lookedAfter = network.lookAfter(this.#gone.signal)
    tellSilence(agent, end, {
      heldUp: () => this.heldUp,
      onStarved: () => log.warn('the guest answers late: the host has no processor for its machine'),
      // The question alone maps some 15 MiB of the program.
      onAnswered: dropCode,
      signal: end.over,
    })
  }

  /** {@link podPid}. */
  get pid(): number {
    return podPid(this.#parts)
  }

  /** Puts the container's files into the share, and creates the container in the guest, ready to be started. */
  createContainer(request: ContainerRequest): Promise<Container> {
    const making = this.#containers.create(request)
    this.#making.add(making)
    const done = () => void this.#making.delete(making)
    making.then(done, done)
    return making
  }

  /** {@link Containers.volumeStats}. */
  volumeStats(volume: string): Promise<VolumeStatsResponse> {
    return this.#containers.volumeStats(volume)
  }

  /** {@link Containers.resizeVolume}. */
  resizeVolume(volume: string, size: bigint): Promise<void> {
    return this.#containers.resizeVolume(volume, size)
  }

  /** What the pod costs the host, by the kernel's count of its cgroups. */
  hostUsage(): CgroupStats {
    return this.#parts.hostUsage()
  }

  /** Reports each container in which the guest's kernel killed a process because memory ran out, until the sandbox ends. */
  watchOom({ isKnown, onOom, ...watch }: OomWatch): Promise<void> {
    const { id, agent } = this.#parts
    const ownId = (guestId: string) => (guestId === this.#containers.guestIdOf(id) ? id : guestId)
    return watchOom(agent.agent, {
      isKnown: (guestId) => isKnown(ownId(guestId)),
      onOom: (guestId) => onOom(ownId(guestId)),
      ...watch,
    })
  }

  /**
   * Saves the machine with its disks to `directory`, which must not exist. With `ends`, the machine never runs again: call {@link stop} next.
   * Otherwise it continues.
   *
   * @throws KataError CHECKPOINT_REFUSED, CHECKPOINT_DISK_FULL, VMM_COMMAND_FAILED; the signal's reason. The machine continues after these.
   *   CHECKPOINT_LOST when it has ended.
   */
  async save(request: SaveRequest): Promise<void> {
    // A second save would wait for a guest that the first has paused, perhaps for good, and a stop would wait for both.
    if (this.#isSaved || this.#saving !== undefined)
      throw new KataError('CHECKPOINT_REFUSED', {
        id: this.#parts.id,
        reason: this.#isSaved ? 'it has been saved and ends' : 'another save of it is under way',
      })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#saving = promise
    try {
      await this.#save(request)
    } catch (error) {
      throw await this.#whyUnsaved(error)
    } finally {
      this.#saving = undefined
      resolve()
    }
  }

  async #save(request: SaveRequest): Promise<void> {
    const { end } = this.#parts
    const signal = AbortSignal.any([end.over, request.signal])
    const seen = { ...request, signal }
    const saved = await requireSaveable(this.#parts, () => this.#containers.all, seen)
    this.#held = { times: this.#held.times + 1, now: true }
    try {
      await saveAtRest(this.#parts, saved, seen)
      this.#isSaved = request.ends
    } finally {
      this.#held = { ...this.#held, now: false }
    }
  }

  /** If the machine died during the save, its end is the error to report, and not the step at which the save broke off. */
  async #whyUnsaved(error: unknown): Promise<unknown> {
    const { id, end } = this.#parts
    if (error instanceof KataError && losses.has(error.code)) await end.explainLoss(error)
    const { reason: death } = end.over
    if (!(death instanceof KataError)) return error
    return new KataError('CHECKPOINT_LOST', { id, reason: death.rawMessage }, { cause: death })
  }

  /** Adds the interfaces that the network namespace got after the start. To be called before any container runs. */
  async attachLateNetwork(): Promise<void> {
    const { network, vmm, agent, identity } = this.#parts
    await network.attachLate(vmm, agent.agent, identity.uid)
  }

  /** {@link HealthOptions.heldUp}. */
  get heldUp(): HeldUp {
    const { times, now } = this.#containers.heldUp
    return { times: times + this.#held.times, now: now || this.#held.now }
  }

  /** {@link MachineEnd.waited}. */
  waited(): number {
    return this.#parts.end.waited()
  }

  /** Ends the sandbox as dead, because its guest failed in a duty; {@link died} gives `reason`. */
  condemn(reason: string): void {
    this.#parts.end.tell('condemned', reason)
  }

  /** Ends the machine and releases everything. All callers wait for the same teardown. @throws KataError RELEASE_FAILED. */
  stop(): Promise<void> {
    this.#parts.end.tell('asked', true)
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const { agent, disks, end, vmm, ledger, paths, log } = this.#parts
    // From here on the sandbox does not count as running, and an audit expects none of its processes.
    forgetPostures(paths.stateDir)
    // A save whose guest still runs breaks off by itself now. One whose guest is paused is not awaited: the VMM could write for minutes.
    if (!this.#held.now) await this.#saving
    // Lets the guest end its processes and write back its caches. A guest that is paused, or lost its share or machine, cannot.
    if (!end.isLost && !this.#isSaved && !this.#held.now) {
      const { areWritten } = disks
      await agent.agent
        .destroySandbox({}, { timeoutMs: areWritten ? writeBackMs : farewellMs })
        .catch((error) => {
          if (areWritten) log.warn('the guest has perhaps not written back all of its disks', { error })
          else log.debug('no farewell from the guest', { error })
        })
    }
    agent.close()
    // A VMM that does not end stays in the ledger, with its ids and the state directory. The rest is released all the same.
    await vmm.stop().catch((error) => log.warn('the VMM has not ended', { error }))
    this.#gone.abort()
    this.#stopped.resolve()
    // A save breaks off without its machine. It reads disks that are released next.
    await within(Promise.resolve(this.#saving), makingMs)
    // Holdings that a container takes after the release would stay.
    await within(Promise.allSettled([...this.#making, this.#lookedAfter]), makingMs)
    await ledger.releaseAll()
    removeState(paths)
    log.info('sandbox stopped')
  }
}
