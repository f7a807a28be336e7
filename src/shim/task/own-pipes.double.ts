/** The pipes and files of a directory that this process has open, for tests that nothing of theirs stays open. */
import { readdirSync, readlinkSync } from 'node:fs'

/** What it returns resolves once those are gone that came after. @throws Error naming those that stay. */
export function watchPipes(directory: string): () => Promise<void> {
  const before = new Set(openNow(directory))
  return async () => {
    // Bun closes some of its descriptors later than it says, and a busy host lets it wait.
    for (let tries = 0; ; tries++) {
      const left = openNow(directory).filter((name) => !before.has(name))
      if (left.length === 0) return
      if (tries === 1000) throw new Error(`still open: ${left.join(', ')}`)
      await Bun.sleep(10)
    }
  }
}

function openNow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const name = readlinkSync(`/proc/self/fd/${fd}`)
      return name.startsWith('pipe:') || name.startsWith(directory) ? [name] : []
    } catch {
      // That of this listing, or one that was closed meanwhile.
      return []
    }
  })
}
