/**
 * The one sandbox behind a shim: made by the first Create or by the Sandbox service, shared by the containers of the pod, ended
 * once.
 */
import { KataError } from '../../errors.ts'
import type { CgroupStats, VolumeStatsResponse } from '../../protocol/generated/agent.ts'
import type { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { SaveRequest } from '../../sandbox/checkpoint/save-machine.ts'
import type { ContainerRequest } from '../../sandbox/container-request.ts'
import type { HeldUp } from '../../sandbox/guest/health.ts'
import type { OomWatch } from '../../sandbox/guest/oom.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'

export interface PodOptions {
  readonly id: string
  /** Makes the sandbox for its first container. `signal` aborts that, and then nothing of the sandbox is left. */
  createSandbox(
    request: CreateTaskRequest,
    container: ContainerRequest,
    signal: AbortSignal,
  ): Promise<Sandbox>
  /** Releases a machine that waited for the pod and that its sandbox was not made of. @throws KataError RELEASE_FAILED. */
  releaseUnused?(): Promise<void>
  /** Called once, when the machine died under its tasks. Their processes end when it is done. */
  onDied(error: KataError): void | Promise<void>
  /** Resolves once what its processes have said is written. Asked when the machine died and they have ended; what is left of the pod is killed then. */
  logged?(): Promise<unknown>
  /** Called once, when the teardown left something. The ledger still has it, for `shim delete` and `kata-ts gc`. */
  onLeft(error: unknown): void
  /** Called for each container in which the guest's kernel killed a process because memory ran out. */
  readonly oom: OomWatch
}

export class Pod {
  readonly id: string
  /** Aborted when no process of the pod can run any more. The reason is the machine's death, if it died. */
  readonly over: AbortSignal
  readonly #options: PodOptions
  readonly #end: (death?: KataError) => void
  readonly #giveUp = new AbortController()
  #standsAlone = false
  #death: KataError | undefined
  #creating: Promise<Sandbox> | undefined
  #sandbox: Sandbox | undefined
  #stopping: Promise<void> | undefined
  /** What follows the death of its machine. */
  #buried: Promise<void> | undefined

  constructor(options: PodOptions) {
    const over = new AbortController()
    this.id = options.id
    this.over = over.signal
    this.#end = (death) => over.abort(death)
    this.#options = options
  }

  /** Whether there is no sandbox and none is being made. */
  get isUnmade(): boolean {
    return this.#creating === undefined || this.over.aborted
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined
  }

  /**
   * Whether it is more than its containers: it was asked for as a pod, waits for its own start, and lives until its end is asked
   * for.
   */
  get standsAlone(): boolean {
    return this.#standsAlone
  }

  /** Its end was asked for, and did not come by a death: what then fails, fails by that. */
  get givenUp(): KataError | undefined {
    const { aborted, reason } = this.#giveUp.signal
    return aborted && this.#death === undefined ? reason : undefined
  }

  /** Why its machine died, if it did. */
  get death(): KataError | undefined {
    return this.#death
  }

  /** The process that represents the pod on the host: the shim while there is no sandbox. */
  get pid(): number {
    return this.#sandbox?.pid ?? process.pid
  }

  /** {@link standsAlone} from now on. */
  standAlone(): void {
    this.#standsAlone = true
  }

  /** The sandbox of a pod that stands alone, made now if there is none yet. @throws KataError TASK_STATE when the pod has ended. */
  async start(request: CreateTaskRequest, container: ContainerRequest): Promise<Sandbox> {
    if (this.#stopping !== undefined) throw this.#wrong('start', 'stopped')
    this.#creating ??= this.#create(request, container)
    return this.#creating
  }

  /**
   * The sandbox, made now if there is none yet.
   *
   * @throws KataError TASK_STATE when the pod has ended, or stands alone and is not started.
   */
  async sandboxFor(request: CreateTaskRequest, container: ContainerRequest): Promise<Sandbox> {
    if (this.#stopping !== undefined) throw this.#wrong('create a container in', 'stopped')
    if (this.#standsAlone && this.#creating === undefined)
      throw this.#wrong('create a container in', 'not started')
    this.#creating ??= this.#create(request, container)
    return this.#creating
  }

  #wrong(action: string, state: string): KataError {
    return new KataError('TASK_STATE', { action, id: this.id, state })
  }

  /** To be called before the pod's own container starts: what has come into its network namespace by then counts. */
  async attachLateNetwork(): Promise<void> {
    // Without a machine the start fails, and says how that ended.
    if (!this.over.aborted && !this.isStopping) await this.#sandbox?.attachLateNetwork()
  }

  /** {@link Sandbox.hostUsage}; undefined while there is no machine, and once it is over. */
  hostUsage(): CgroupStats | undefined {
    return this.over.aborted ? undefined : this.#sandbox?.hostUsage()
  }

  /** {@link Sandbox.save}; with `ends` the pod is over afterwards. @throws KataError TASK_STATE without a sandbox, or when its end was asked for. */
  async save(request: SaveRequest): Promise<void> {
    if (this.#sandbox === undefined || this.over.aborted) throw this.#wrong('save', 'stopped')
    try {
      await this.#sandbox.save(request)
    } catch (error) {
      throw this.givenUp === undefined ? error : this.#wrong('save', 'stopped')
    }
    if (request.ends) await this.stopAnyway('it is suspended')
  }

  /** {@link Sandbox.volumeStats}. */
  async volumeStats(volume: string): Promise<VolumeStatsResponse> {
    if (this.#sandbox === undefined) throw new KataError('DIRECT_VOLUME_UNUSED', { volume })
    return this.#sandbox.volumeStats(volume)
  }

  /** {@link Sandbox.resizeVolume}. */
  async resizeVolume(volume: string, size: bigint): Promise<void> {
    if (this.#sandbox === undefined) throw new KataError('DIRECT_VOLUME_UNUSED', { volume })
    await this.#sandbox.resizeVolume(volume, size)
  }

  /** {@link Sandbox.heldUp}. */
  get heldUp(): HeldUp {
    return this.#sandbox?.heldUp ?? { times: 0, now: false }
  }

  /** {@link Sandbox.waited}. */
  waited(): number {
    return this.#sandbox?.waited() ?? 0
  }

  /** {@link Sandbox.condemn}. */
  condemn(reason: string): void {
    this.#sandbox?.condemn(reason)
  }

  /**
   * Stops the machine, or aborts its start, and releases all it held. Every caller waits for the same single teardown.
   *
   * @throws KataError RELEASE_FAILED, and other errors of the teardown; `onLeft` is called first.
   */
  stop(reason = 'its end was asked for'): Promise<void> {
    this.#giveUp.abort(new KataError('START_GIVEN_UP', { id: this.id, reason }))
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** For callers that want the end whatever it leaves. `onLeft` is called all the same. */
  stopAnyway(reason?: string): Promise<void> {
    return this.stop(reason).catch(() => {})
  }

  /** Settles once nothing is left of one that is stopping, or whose machine has died: what its processes have said is written first. */
  async gone(): Promise<void> {
    if (this.#death === undefined || this.isStopping) await this.stopAnyway()
    else await this.#buried?.catch(() => {})
  }

  async #stop(): Promise<void> {
    // Create has reported a sandbox that could not be made.
    const sandbox = await this.#creating?.catch(() => undefined)
    try {
      await sandbox?.stop()
      // None comes after this end.
      await this.#options.releaseUnused?.()
    } catch (error) {
      this.#options.onLeft(error)
      throw error
    } finally {
      this.#end()
    }
  }

  async #create(request: CreateTaskRequest, container: ContainerRequest): Promise<Sandbox> {
    try {
      const sandbox = await this.#options.createSandbox(request, container, this.#giveUp.signal)
      this.#sandbox = sandbox
      void sandbox.watchOom(this.#options.oom)
      void sandbox.stopped.then(() => this.#end())
      this.#buried = sandbox.died.then(async (error) => {
        this.#death = error
        try {
          await this.#options.onDied(error)
        } finally {
          this.#end(error)
          await this.#options.logged?.()
          await this.stopAnyway()
        }
      })
      return sandbox
    } catch (error) {
      // A sandbox that could not be made holds nothing, so the next Create may try again.
      this.#creating = undefined
      throw error
    }
  }
}
