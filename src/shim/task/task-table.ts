import { KataError } from '../../errors.ts'
import type { Task } from './task.ts'

/** Records of the present tasks, for other processes. */
export interface TaskRecords {
  add(task: { id: string; bundle: string }): void
  remove(id: string): void
}

/** The tasks of one pod, each with its record. */
export class TaskTable {
  readonly #records: TaskRecords
  readonly #tasks = new Map<string, Task>()
  /** Ids of tasks that are being made. The value says why a task is no longer wanted, if so. */
  readonly #making = new Map<string, 'deleted' | 'given up' | undefined>()
  /** Removals that are under way, by id. */
  readonly #removals = new Map<string, Promise<unknown>>()

  constructor(records: TaskRecords) {
    this.#records = records
  }

  get isEmpty(): boolean {
    return this.#tasks.size === 0
  }

  /** In order of creation. */
  get all(): readonly Task[] {
    return [...this.#tasks.values()]
  }

  has(id: string): boolean {
    return this.#tasks.has(id)
  }

  /** @throws KataError TASK_NOT_FOUND. */
  get(id: string): Task {
    const task = this.#tasks.get(id)
    if (task === undefined) throw new KataError('TASK_NOT_FOUND', { id: `task ${id}` })
    return task
  }

  /** Settles once the former task of this id has released everything; undefined if no removal is under way. Never rejects. */
  removal(id: string): Promise<unknown> | undefined {
    return this.#removals.get(id)
  }

  /**
   * Runs `make`, which adds the task of this id, after an earlier task of the id has released everything: share, disks and guest use the id as a
   * key.
   *
   * @throws KataError TASK_EXISTS if the task exists or is being made; errors of `make`.
   */
  async making<T>(id: string, make: () => Promise<T>): Promise<T> {
    if (this.has(id) || this.#making.has(id)) throw new KataError('TASK_EXISTS', { id })
    this.#making.set(id, undefined)
    try {
      while (this.removal(id) !== undefined) await this.removal(id)
      return await make()
    } finally {
      this.#making.delete(id)
    }
  }

  /** Notes that a task that is being made is no longer wanted. The making continues, and {@link add} refuses the task. */
  giveUp(id: string, state: 'deleted' | 'given up'): void {
    if (this.#making.has(id)) this.#making.set(id, state)
  }

  /** @throws KataError TASK_STATE if the task was given up or deleted while it was made; errors of the records. */
  add(task: Task): void {
    const state = this.#making.get(task.id)
    if (state !== undefined) throw new KataError('TASK_STATE', { action: 'create', id: task.id, state })
    this.#records.add({ id: task.id, bundle: task.bundle })
    this.#tasks.set(task.id, task)
  }

  /**
   * Removes the task from the table, then runs `release`, which releases everything that the task has. Settles with it. @throws errors of
   * `release`.
   */
  async remove(id: string, release: () => Promise<void>): Promise<void> {
    this.#tasks.delete(id)
    this.#records.remove(id)
    const removal = release()
    this.#removals.set(
      id,
      removal.catch(() => {}),
    )
    try {
      await removal
    } finally {
      this.#removals.delete(id)
    }
  }
}
