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

/** How long the guest may take to end its processes and leave its share, milliseconds. */
const farewellMs = 5000
/**
 * And to write back what it holds of disks that outlive it: as long as any other call. It may hold a fifth of its memory, which
 * is gone with the machine.
 */
const writeBackMs = 60_000
/** How long a container that was being made may take to fail once its machine is gone, milliseconds. */
const makingMs = 10_000
/** By which a call fails whose machine goes away. */
const losses: ReadonlySet<string> = new Set(['AGENT_DIED', 'VMM_DISCONNECTED'])

export class Sandbox {
  /** Settles with the reason if the machine ends without having been asked to; never otherwise. */
  readonly died: Promise<KataError>
  /** Settles once {@link stop} has ended the machine, or could not, before all that it held is released. */
  readonly stopped: Promise<void>
  readonly #parts: SandboxParts
  readonly #containers: Containers
  readonly #stopped = Promise.withResolvers<void>()
  /** Once there is no machine any more, or it cannot be ended. Until then its guest may do as it likes, whoever asked it to end. */
  readonly #gone = new AbortController()
  readonly #lookedAfter: Promise<void>
  readonly #making = new Set<Promise<unknown>>()
  /** While it is saved its guest does not answer. */
  #held: HeldUp = neverHeldUp()
  /** Its guest stands still for good. */
  #isSaved = false
  /** Settles, and never fails, once the save that is under way is over; undefined when none is. */
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

  /** Carries the container's files into the share and creates it in the guest, ready to be started. */
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
   * Saves the machine with its disks to `directory`, at which nothing may be. With `ends` it never runs again: call {@link stop} then. Otherwise
   * it goes on.
   *
   * @throws KataError CHECKPOINT_REFUSED, CHECKPOINT_DISK_FULL, VMM_COMMAND_FAILED; the signal's reason. The machine runs on then. CHECKPOINT_LOST
   *   when it has ended.
   */
  async save(request: SaveRequest): Promise<void> {
    // A second one would wait for a guest that stands still by the first, perhaps for good, and a stop would wait for both.
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

  /** A machine that dies meanwhile breaks the save off somewhere: what matters is how it ended. */
  async #whyUnsaved(error: unknown): Promise<unknown> {
    const { id, end } = this.#parts
    if (error instanceof KataError && losses.has(error.code)) await end.explainLoss(error)
    const { reason: death } = end.over
    if (!(death instanceof KataError)) return error
    return new KataError('CHECKPOINT_LOST', { id, reason: death.rawMessage }, { cause: death })
  }

  /** Gives the machine the network that its namespace got since the start. Call it before anything runs in the machine. */
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
    // From here on it does not count as a running sandbox, and an audit misses no process of it.
    forgetPostures(paths.stateDir)
    // A save whose guest still runs breaks off by our end. Once that stands still, the VMM would write on for minutes.
    if (!this.#held.now) await this.#saving
    // Lets the guest end its processes and write back its caches; a guest that lost its share or machine cannot, nor one that stands still.
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
    // One that stays is in the ledger still, and keeps its ids and the state directory. All else does not wait for it.
    await vmm.stop().catch((error) => log.warn('the VMM has not ended', { error }))
    this.#gone.abort()
    this.#stopped.resolve()
    // Without its machine it breaks off. It reads disks that are released next.
    await within(Promise.resolve(this.#saving), makingMs)
    // What a container takes after the release would stay.
    await within(Promise.allSettled([...this.#making, this.#lookedAfter]), makingMs)
    await ledger.releaseAll()
    removeState(paths)
    log.info('sandbox stopped')
  }
}
