/** A task: one container as the client of the shim sees it, with its init process and its execs. */
import { KataError } from '../../errors.ts'
import type { Container } from '../../sandbox/container.ts'
import { within } from '../../time.ts'
import type { TaskProcess } from './task-process.ts'

const sigkill = 9

export class Task {
  readonly id: string
  readonly bundle: string
  readonly container: Container
  readonly init: TaskProcess
  /** On the host: what the container says of its end; undefined when its client asked for none. */
  readonly terminationFile: string | undefined
  readonly #execs = new Map<string, TaskProcess>()
  #saving: Promise<unknown> | undefined
  #changing: Promise<unknown> | undefined
  #isSuspended = false

  constructor(options: {
    id: string
    bundle: string
    container: Container
    init: TaskProcess
    terminationFile?: string | undefined
  }) {
    this.id = options.id
    this.bundle = options.bundle
    this.container = options.container
    this.init = options.init
    this.terminationFile = options.terminationFile
  }

  /** {@link Container.pid}. */
  get pid(): number {
    return this.container.pid
  }

  /** The init process for an empty `execId`. @throws KataError TASK_NOT_FOUND. */
  process(execId: string): TaskProcess {
    const found = execId === '' ? this.init : this.#execs.get(execId)
    if (found === undefined) throw new KataError('TASK_NOT_FOUND', { id: `exec ${execId} in ${this.id}` })
    return found
  }

  /** @throws KataError TASK_EXISTS. */
  addExec(execId: string, process: TaskProcess): void {
    if (this.#execs.has(execId)) throw new KataError('TASK_EXISTS', { id: `exec ${execId} in ${this.id}` })
    this.#execs.set(execId, process)
  }

  /** Every process of the container was killed. */
  endIsNear(): void {
    for (const process of [this.init, ...this.#execs.values()]) process.endIsNear()
  }

  /** Whether an exec runs, or is being started. One that was only made is nothing in the guest, and its client may be gone. */
  get hasExecs(): boolean {
    return this.#livingExecs.length > 0
  }

  get #livingExecs(): TaskProcess[] {
    return [...this.#execs.values()].filter((exec) => exec.state !== 'stopped' && !exec.isUntouched)
  }

  /** Whether its machine was saved and ended by that: it goes on elsewhere, and has not ended. */
  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** The result of `save`, which holds the container and lets it go on, or with `ends` suspends it. */
  async whileSaved<T>(save: () => Promise<T>, ends = false): Promise<T> {
    const saving = save().then((result) => {
      this.#isSuspended = ends
      return result
    })
    this.#saving = saving
    try {
      return await saving
    } finally {
      if (this.#saving === saving) this.#saving = undefined
    }
  }

  /** Settles once the container is not held for a save; undefined when it is not. Never rejects. */
  get saved(): Promise<unknown> | undefined {
    return this.#saving?.catch(() => {})
  }

  /** The result of `change`, which pauses the container or lets it go on. */
  async whileChanged<T>(change: () => Promise<T>): Promise<T> {
    const changing = change()
    this.#changing = changing
    try {
      return await changing
    } finally {
      if (this.#changing === changing) this.#changing = undefined
    }
  }

  /** Settles once no pause, and no end of one, is under way that had begun; undefined when none is. Never rejects. */
  get changed(): Promise<unknown> | undefined {
    return this.#changing?.catch(() => {})
  }

  /** To be called when the init process has ended. Resolves when no exec runs any more, or after `ms`. */
  async endExecs(ms: number): Promise<void> {
    const living = this.#livingExecs
    if (living.length === 0) return
    // They have ended with it, unless the pod shares its processes. SIGKILL for the init process is sent to all that is in the container.
    void this.container.init.signal(sigkill).catch(() => {})
    await within(Promise.all(living.map(({ exited }) => exited)), ms)
  }

  /** {@link TaskProcess.logged} of all processes that were started. */
  async logged(): Promise<void> {
    const started = [this.init, ...this.#execs.values()].filter(({ state }) => state !== 'created')
    await Promise.all(started.map((process) => process.exited.then(() => process.logged)))
  }

  removeExec(execId: string): void {
    this.#execs.get(execId)?.removed()
    this.#execs.delete(execId)
  }

  /** To be called when the container is removed, with all its processes. */
  removed(): void {
    for (const process of [this.init, ...this.#execs.values()]) process.removed()
  }
}
