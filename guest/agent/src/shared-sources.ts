/**
 * Directories of the share that containers bind. The share tells the kernel that each is a file system of its own, which
 * the kernel mounts when somebody first enters it, anew in every mount namespace: two containers would get two, in which
 * sockets, locks and file watches do not meet. So the agent enters first, and the containers bind what it mounted.
 */
import { close, open } from 'syscalls'
import type { Mount } from '../../../src/protocol/generated/oci.ts'
import { detach, openFlags } from './files.ts'

export class SharedSources {
  readonly #directory: string
  /** Containers by source. */
  readonly #users = new Map<string, Set<string>>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Enters what the container's mounts bind. What cannot be entered is left to fail with crun's words. */
  hold(containerId: string, mounts: readonly Mount[]): void {
    const sources = mounts
      .map(({ source }) => source)
      .filter((path) => path.startsWith(`${this.#directory}/`))
    for (const source of sources) {
      const users = this.#users.get(source) ?? new Set()
      users.add(containerId)
      this.#users.set(source, users)
      enter(source)
    }
  }

  /** Leaves what nobody else uses. */
  leave(containerId: string): void {
    for (const [source, users] of this.#users) {
      if (!users.delete(containerId) || users.size > 0) continue
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
