/** The one sandbox behind a shim: made by the first Create, shared by the containers of the pod, ended once. */
import { KataError } from '../../errors.ts'
import type { CreateTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { HeldUp } from '../../sandbox/guest/health.ts'
import type { OomWatch } from '../../sandbox/guest/oom.ts'
import type { ContainerRequest, Sandbox } from '../../sandbox/sandbox.ts'

export interface PodOptions {
  readonly id: string
  /** Makes the sandbox for its first container; `signal` gives that up, after which nothing of it is left. */
  createSandbox(
    request: CreateTaskRequest,
    container: ContainerRequest,
    signal: AbortSignal,
  ): Promise<Sandbox>
  /** Told once, when the machine died under its tasks; their processes end when it is done. */
  onDied(error: KataError): void | Promise<void>
  /** Told once, when the teardown left something: it is still written down for `shim delete` and `kata-ts gc`. */
  onLeft(error: unknown): void
  /** Told of containers in which the guest's kernel killed a process for want of memory. */
  readonly oom: OomWatch
}

export class Pod {
  readonly id: string
  /** Aborted when no process of the pod can run any more: its machine died, which is then the reason, or was ended. */
  readonly over: AbortSignal
  readonly #options: PodOptions
  readonly #end: (death?: KataError) => void
  readonly #giveUp = new AbortController()
  #creating: Promise<Sandbox> | undefined
  #sandbox: Sandbox | undefined
  #stopping: Promise<void> | undefined

  constructor(options: PodOptions) {
    const over = new AbortController()
    this.id = options.id
    this.over = over.signal
    this.#end = (death) => over.abort(death)
    this.#options = options
  }

  /** Whether there is no sandbox, and none being made. */
  get isUnmade(): boolean {
    return this.#creating === undefined || this.over.aborted
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined
  }

  /** The process that stands for the pod on the host: the shim while there is no sandbox. */
  get pid(): number {
    return this.#sandbox?.pid ?? process.pid
  }

  /** The sandbox, made now if there is none yet. @throws KataError TASK_STATE when the pod has ended. */
  async sandboxFor(request: CreateTaskRequest, container: ContainerRequest): Promise<Sandbox> {
    if (this.#stopping !== undefined)
      throw new KataError('TASK_STATE', { action: 'create a container in', id: this.id, state: 'stopped' })
    this.#creating ??= this.#create(request, container)
    return this.#creating
  }

  /** To be called before the pod's own container starts: what has come into its network namespace by then counts. */
  async attachLateNetwork(): Promise<void> {
    await this.#sandbox?.attachLateNetwork()
  }

  /** {@link Sandbox.heldUp}. */
  get heldUp(): HeldUp {
    return this.#sandbox?.heldUp ?? { times: 0, now: false }
  }

  /** {@link Sandbox.condemn}. */
  condemn(reason: string): void {
    this.#sandbox?.condemn(reason)
  }

  /**
   * Ends the machine, or gives its start up, and releases all it held; every caller waits for the same, one teardown.
   *
   * @throws KataError RELEASE_FAILED, and what else keeps a machine from its end; `onLeft` is told first.
   */
  stop(reason = 'its end was asked for'): Promise<void> {
    this.#giveUp.abort(new KataError('START_GIVEN_UP', { id: this.id, reason }))
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** For those who want the end, whatever it leaves: `onLeft` is told all the same. */
  stopAnyway(reason?: string): Promise<void> {
    return this.stop(reason).catch(() => {})
  }

  async #stop(): Promise<void> {
    // Of one that could not be made, Create has told.
    const sandbox = await this.#creating?.catch(() => undefined)
    try {
      await sandbox?.stop()
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
      void sandbox.died.then(async (error) => {
        try {
          await this.#options.onDied(error)
        } finally {
          this.#end(error)
          await this.stopAnyway()
        }
      })
      return sandbox
    } catch (error) {
      // A sandbox that could not be made holds nothing; the next Create may try anew.
      this.#creating = undefined
      throw error
    }
  }
}
