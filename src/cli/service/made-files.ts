/** Files that a member's process makes for a command (`--cidfile`), which go when the command makes no container, as for root. */
import { rmSync } from 'node:fs'
import { identityAt, identityOf } from '../../linux/files/file-identity.ts'
import type { Told } from '../output/result-file.ts'

interface MadeFile {
  readonly path: string
  readonly identity: string
}

export class MadeFiles {
  readonly #made: MadeFile[] = []

  add(path: string, fd: number): void {
    this.#made.push({ path, identity: identityOf(fd) })
  }

  /** Leaves alone what others have put in their place. */
  remove(): void {
    for (const { path, identity } of this.#made)
      if (identityAt(path) === identity) rmSync(path, { force: true })
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
