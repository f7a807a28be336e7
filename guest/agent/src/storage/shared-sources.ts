/**
 * Directories of the share that containers bind. The share tells the kernel that each is a file system of its own, which
 * the kernel mounts when somebody first enters it, anew in every mount namespace: two containers would get two, in which
 * sockets, locks and file watches do not meet. So the agent enters first, and the containers bind what it mounted. It
 * also leaves last, which makes the moment of the unmount the agent's choice: see share-requests.ts.
 */
import { close, open } from 'syscalls'
import { detach, openFlags } from '../system/files.ts'
import { shareAtRest } from './share-requests.ts'

export class SharedSources {
  readonly #directory: string
  /** Containers by source. */
  readonly #users = new Map<string, Set<string>>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Enters what the container binds or has as its root. What cannot be entered is left to fail with crun's words. */
  hold(containerId: string, paths: readonly string[]): void {
    for (const source of paths.filter((path) => path.startsWith(`${this.#directory}/`))) {
      const users = this.#users.get(source) ?? new Set()
      users.add(containerId)
      this.#users.set(source, users)
      enter(source)
    }
  }

  /** Leaves what nobody else uses. While the share is never at rest that waits for the next container to leave. */
  async leave(containerId: string): Promise<void> {
    for (const users of this.#users.values()) users.delete(containerId)
    if (!(await shareAtRest())) return
    for (const [source, users] of this.#users) {
      if (users.size > 0) continue
      this.#users.delete(source)
      detach(source)
    }
  }
}

function enter(path: string): void {
  try {
    close(open(path, openFlags.directory, 0))
  } catch {
    // A file: it is part of the share's own file system.
  }
}
