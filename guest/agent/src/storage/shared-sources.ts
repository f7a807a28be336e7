/**
 * Directories of the share that containers bind. The share tells the kernel that each is a file system of its own, which
 * the kernel mounts when somebody first enters it, anew in every mount namespace: two containers would get two, in which
 * sockets, locks and file watches do not meet. So the agent enters first, and the containers bind what it mounted. It
 * also leaves last, which makes the moment of the unmount the agent's choice: see share-requests.ts.
 */
import { enterDirectories, kill } from 'syscalls'
import { deadline } from '../errors.ts'
import { detach } from '../system/files.ts'
import { within } from '../system/wait.ts'
import type { ExitOf } from './grow-volume.ts'
import { shareAtRest } from './share-requests.ts'

/** How long the share may take. What it shows may be a file system of a network that has gone away. */
const enterMilliseconds = 30_000
const sigKill = 9

export class SharedSources {
  readonly #directory: string
  readonly #exitOf: ExitOf
  /** Containers by source. */
  readonly #users = new Map<string, Set<string>>()

  constructor(directory: string, exitOf: ExitOf) {
    this.#directory = directory
    this.#exitOf = exitOf
  }

  /**
   * Enters what the container binds or has as its root. What cannot be entered is left to fail with crun's words. A child does it, as the
   * agent would answer nobody meanwhile, and its host takes the machine for dead then.
   *
   * @throws TtrpcError DEADLINE_EXCEEDED when the share does not answer.
   */
  async hold(containerId: string, paths: readonly string[]): Promise<void> {
    const sources = paths.filter((path) => path.startsWith(`${this.#directory}/`))
    for (const source of sources) {
      const users = this.#users.get(source) ?? new Set()
      users.add(containerId)
      this.#users.set(source, users)
    }
    if (sources.length === 0) return
    const child = enterDirectories(sources)
    await within(this.#exitOf(child), enterMilliseconds, () => {
      kill(child, sigKill)
      return deadline(
        `the share did not show the files of container ${containerId} in ${enterMilliseconds} ms`,
      )
    })
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
