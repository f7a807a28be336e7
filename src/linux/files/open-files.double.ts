/** What this process has open, for tests that nothing of theirs stays open. */
import { readdirSync, readlinkSync } from 'node:fs'

/** Names of all open descriptors, each as often as it is open: a path, or such as `socket:[4711]`. */
export function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // That of this listing, or one that was closed meanwhile.
      return []
    }
  })
}

/**
 * What it returns resolves once nothing is open that was not before, as far as `counts` says so. Fewer than before is no
 * difference: Bun closes some descriptors later than it says, those of earlier tests among them.
 *
 * @throws Error naming those that stay.
 */
export function watchOpenFiles(counts: (name: string) => boolean = () => true): () => Promise<void> {
  const before = openFiles()
  return async () => {
    for (let tries = 0; ; tries++) {
      const left = without(openFiles().filter(counts), before)
      if (left.length === 0) return
      // A busy host lets Bun wait for seconds.
      if (tries === 1000) throw new Error(`still open: ${left.join(', ')}`)
      await Bun.sleep(10)
    }
  }
}

/** A name that is there twice and is taken away once is left once. */
function without(names: readonly string[], taken: readonly string[]): string[] {
  const rest = [...taken]
  return names.filter((name) => {
    const at = rest.indexOf(name)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
