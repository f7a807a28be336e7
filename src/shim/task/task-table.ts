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

  add(task: Task): void {
    this.#records.add({ id: task.id, bundle: task.bundle })
    this.#tasks.set(task.id, task)
  }

  remove(id: string): void {
    this.#tasks.delete(id)
    this.#records.remove(id)
  }
}
