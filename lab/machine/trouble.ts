/**
 * What the emulated SVM of the lab host is to blame for, as far as anybody can tell: it panics once in hundreds of guests, and now and
 * then a guest dies or falls silent in its boot, or resets (docs/design/lab.md). Such a thing is tried once more, and said.
 */
import { LabHostDied, lastWords, runningLab } from './host.ts'

/** Codes of a start whose guest did not come up. */
const guestDied =
  /\[(VMM_GUEST_SILENT|VMM_GUEST_PANICKED|VMM_GUEST_SHUT_DOWN|VMM_INTERNAL_ERROR|GUEST_SETUP_TIMEOUT)\]/
/** Without a panic's sentence: a triple fault, which was seen once while a processor that came later booted. */
const guestReset = /\[SANDBOX_DIED\] [^\n]* its guest reset itself/

/** Undefined when the words of a failure point to no such trouble. */
export function troubleIn(words: string): string | undefined {
  if (runningLab() === undefined) return `the lab host went down: ${lastWords()}`
  if (guestReset.test(words)) return 'a guest reset itself'
  const code = guestDied.exec(words)?.[1]
  return code === undefined ? undefined : `a guest died or fell silent in its boot (${code})`
}

/** Runs it, and once more after such trouble; `say` hears why. @throws what the last try threw. */
export async function twiceAtMost<T>(
  attempt: () => Promise<T>,
  say: (reason: string) => void,
  trouble = (error: unknown) =>
    error instanceof LabHostDied ? error.message : troubleIn(error instanceof Error ? error.message : ''),
): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    const reason = trouble(error)
    if (reason === undefined) throw error
    say(reason)
    return await attempt()
  }
}
