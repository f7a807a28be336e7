/** Files that a member's process makes for a command (`--cidfile`), which go when the command makes no container, as for root. */
import { fstatSync, lstatSync, rmSync } from 'node:fs'
import type { Told } from '../output/result-file.ts'

interface MadeFile {
  readonly path: string
  readonly dev: number
  readonly ino: number
}

export class MadeFiles {
  readonly #made: MadeFile[] = []

  add(path: string, fd: number): void {
    const { dev, ino } = fstatSync(fd)
    this.#made.push({ path, dev, ino })
  }

  /** Leaves alone what others have put in their place. */
  remove(): void {
    for (const { path, dev, ino } of this.#made) {
      const there = lstatSync(path, { throwIfNoEntry: false })
      if (there?.dev === dev && there.ino === ino) rmSync(path, { force: true })
    }
  }
}

/** Exit codes of the runtime's own. */
const failures: ReadonlySet<number> = new Set([125, 126, 127])
/**
 * Whether `run` or `create` has ended without a container. An error alone does not say that: a container that has run may have been lost, or
 * killed for want of memory.
 */
export function madeNone({ exitCode, errors }: Told & { readonly exitCode: number }): boolean {
  if (errors.some(({ code }) => code === 'CONTAINER_OOM')) return false
  // A start that was interrupted has the signal's exit code.
  return errors.at(-1)?.code === 'INTERRUPTED' || (errors.length > 0 && failures.has(exitCode))
}
