/** A task: a container as the client of the shim sees it, with its init process and its execs. */
import { KataError } from '../../errors.ts'
import { SIGKILL } from '../../linux/processes/signal.ts'
import type { Container } from '../../sandbox/container.ts'
import { within } from '../../time.ts'
import type { TaskProcess } from './task-process.ts'

export class Task {
  readonly id: string
  readonly bundle: string
  readonly container: Container
  readonly init: TaskProcess
  /** Path on the host of the container's termination message; undefined if the client asked for none. */
  readonly terminationFile: string | undefined
  /** What the container's specification asks for; clients give it to execs as well. */
  readonly apparmorProfile: string | undefined
  readonly #execs = new Map<string, TaskProcess>()
  /** Saves under way. Several may be made at once; only one succeeds, and the others are refused sooner. */
  readonly #saving = new Set<Promise<unknown>>()
  readonly #changing = new Set<Promise<unknown>>()
  readonly #updating = new Set<Promise<unknown>>()
  #isSuspended = false

  constructor(options: {
    id: string
    bundle: string
    container: Container
    init: TaskProcess
    terminationFile?: string | undefined
    apparmorProfile?: string | undefined
  }) {
    this.id = options.id
    this.bundle = options.bundle
    this.container = options.container
    this.init = options.init
    this.terminationFile = options.terminationFile
    this.apparmorProfile = options.apparmorProfile
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
    // The guest and the events know the init process by the id of its container.
    if (this.#execs.has(execId) || execId === this.id)
      throw new KataError('TASK_EXISTS', { id: `exec ${execId} in ${this.id}` })
    this.#execs.set(execId, process)
  }

  /** Says that every process of the container has been killed. */
  endIsNear(): void {
    for (const process of [this.init, ...this.#execs.values()]) process.endIsNear()
  }

  /** Whether an exec runs or is being started. An exec that was only added does not exist in the guest, and its client may be gone. */
  get hasExecs(): boolean {
    return this.#livingExecs.length > 0
  }

  get #livingExecs(): TaskProcess[] {
    return [...this.#execs.values()].filter((exec) => exec.state !== 'stopped' && !exec.isUntouched)
  }

  /** Whether a save has ended the machine. The container continues elsewhere, and has not ended. */
  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** Runs `save`, which stops the container for a while and resumes it. With `ends` it suspends the container instead. */
  async whileSaved<T>(save: () => Promise<T>, ends = false): Promise<T> {
    const saving = save().then((result) => {
      this.#isSuspended = ends
      return result
    })
    return await during(this.#saving, saving)
  }

  /** Settles once the saves that are under way are done; undefined if none is. Never rejects. */
  get saved(): Promise<unknown> | undefined {
    return allOver(this.#saving)
  }

  /** Runs `change`, which pauses or resumes the container. */
  async whileChanged<T>(change: () => Promise<T>): Promise<T> {
    return await during(this.#changing, change())
  }

  /** Settles once the pauses and resumes that are under way are done; undefined if none is. Never rejects. */
  get changed(): Promise<unknown> | undefined {
    return allOver(this.#changing)
  }

  /** Runs `update`, which changes the container's limits and the machine's size. */
  async whileUpdated<T>(update: () => Promise<T>): Promise<T> {
    return await during(this.#updating, update())
  }

  /** {@link changed}, or else the same for updates. */
  get altered(): Promise<unknown> | undefined {
    return this.changed ?? allOver(this.#updating)
  }

  /** {@link saved}, or else {@link changed}. */
  get held(): Promise<unknown> | undefined {
    return this.saved ?? this.changed
  }

  /** Settles once the execs that are being started now have started or failed; undefined if there are none. Never rejects. */
  get execsStarting(): Promise<unknown> | undefined {
    const starting = [...this.#execs.values()].flatMap((exec) => exec.starting ?? [])
    return starting.length === 0 ? undefined : Promise.all(starting)
  }

  /** To be called when the init process has ended. Resolves when no exec runs any more, after `ms` milliseconds at the latest. */
  async endExecs(ms: number): Promise<void> {
    const living = this.#livingExecs
    if (living.length === 0) return
    // Execs end with the init process, unless the pod shares its pid namespace. SIGKILL for the init process goes to all processes of the
    // container.
    void this.container.init.signal(SIGKILL).catch(() => {})
    for (const exec of living) exec.killedWithContainer()
    await within(Promise.all(living.map(({ exited }) => exited)), ms)
  }

  /** Settles with {@link TaskProcess.logged} of all processes that were started. */
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

async function during<T>(works: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
  works.add(work)
  try {
    return await work
  } finally {
    works.delete(work)
  }
}

const allOver = (works: ReadonlySet<Promise<unknown>>): Promise<unknown> | undefined =>
  works.size === 0 ? undefined : Promise.allSettled(works)
