import { KataError } from '../../errors.ts'
import type { Task } from './task.ts'

/** Lets others see which tasks there are. */
export interface TaskRecords {
  add(task: { id: string; bundle: string }): void
  remove(id: string): void
}

/** The tasks of one pod, each with its record. */
export class TaskTable {
  readonly #records: TaskRecords
  readonly #tasks = new Map<string, Task>()
  /** Ids of those that are being made, and what became of the wish for one meanwhile. */
  readonly #making = new Map<string, 'deleted' | 'given up' | undefined>()
  /** Removals that are under way, by id. */
  readonly #removals = new Map<string, Promise<unknown>>()

  constructor(records: TaskRecords) {
    this.#records = records
  }

  get isEmpty(): boolean {
    return this.#tasks.size === 0
  }

  /** In the order of their creation. */
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

  /** Settles once what a task of this id had is gone; undefined when none is being removed. Never rejects. */
  removal(id: string): Promise<unknown> | undefined {
    return this.#removals.get(id)
  }

  /**
   * Runs `make`, which adds the task of this id. What an earlier one had is gone by then: share, disks and guest know it by the id.
   *
   * @throws KataError TASK_EXISTS when there is one, or another is being made; what `make` throws.
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

  /** Nobody wants the task of this id any more, if it is being made. Its making goes on: {@link add} then refuses it. */
  giveUp(id: string, state: 'deleted' | 'given up'): void {
    if (this.#making.has(id)) this.#making.set(id, state)
  }

  /** @throws KataError TASK_STATE when it was given up while it was made; errors of the records. */
  add(task: Task): void {
    const state = this.#making.get(task.id)
    if (state !== undefined) throw new KataError('TASK_STATE', { action: 'create', id: task.id, state })
    this.#records.add({ id: task.id, bundle: task.bundle })
    this.#tasks.set(task.id, task)
  }

  /** Nobody finds the task of this id any more. Settles with `release`, which lets go of all that it has. @throws what `release` throws. */
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
