/**
 * Directories of the share that containers bind. The share tells the kernel that each is a file system of its own. The kernel mounts it on the
 * first access, in every mount namespace anew: two containers would get two mounts, between which sockets, locks and file watches do not work.
 * So the agent enters a directory first, and the containers bind that mount. The agent also leaves last, so it chooses the moment of the
 * unmount: see share-requests.ts.
 */
import { enterDirectories, kill } from 'syscalls'
import { deadline } from '../errors.ts'
import { detach } from '../system/files.ts'
import { within } from '../system/wait.ts'
import type { ExitOf } from './grow-volume.ts'
import { shareAtRest } from './share-requests.ts'

/** Time for the share to answer. It may show a network file system whose server is gone. */
const enterMilliseconds = 30_000
const sigKill = 9

export class SharedSources {
  readonly #directory: string
  readonly #exitOf: ExitOf
  /** Ids of containers by source. */
  readonly #users = new Map<string, Set<string>>()

  constructor(directory: string, exitOf: ExitOf) {
    this.#directory = directory
    this.#exitOf = exitOf
  }

  /**
   * Enters the directories that the container binds or has as its root. If one cannot be entered, crun fails later and says why. A child enters
   * them: the agent itself could hang, and the host would take the machine for dead.
   *
   * @throws TtrpcError DEADLINE_EXCEEDED if the share does not answer.
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

  /** Unmounts the sources that no container uses any more. If the share is never at rest, they stay until the next container leaves. */
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
