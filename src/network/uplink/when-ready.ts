/** The start of a process of the network: pasta, or the name server. */
import type { Subprocess } from 'bun'
import { KataError } from '../../errors.ts'
import { lastWords } from '../../plain-text.ts'
import { deadline } from '../../time.ts'
import { tailOf, untilReady } from './child-words.ts'

/** How long a start may take, milliseconds; 100 are usual for pasta, which makes the namespaces. */
const startMs = 15_000

interface Readiness<Found> {
  /** The line by which it says that it is ready. */
  readonly word: string
  readonly signal: AbortSignal | undefined
  /** What the caller needs of it, once it is ready; undefined fails the start. */
  find(): Found | undefined
}

export interface Ready<Found> {
  readonly found: Found
  /** The last of what the child says on stderr, until its end. It is not to be trusted. */
  said(): Promise<string>
}

/**
 * What `find` finds once the child says `word`. A child that fails, or is late, is killed and waited for.
 *
 * @throws KataError NETWORK_START_FAILED with its last words; the reason of `signal`.
 */
export async function whenReady<Found>(
  child: Subprocess<'ignore', 'pipe', 'pipe'>,
  { word, signal, find }: Readiness<Found>,
): Promise<Ready<Found>> {
  const said = tailOf(child.stderr)
  const stop = deadline(startMs, signal)
  const kill = () => child.kill('SIGKILL')
  stop.addEventListener('abort', kill)
  try {
    const found = (await untilReady(child.stdout, word, stop)) ? find() : undefined
    if (found !== undefined) return { found, said }
    kill()
    await child.exited
    signal?.throwIfAborted()
    throw new KataError('NETWORK_START_FAILED', { reason: lastWords(await said()) })
  } finally {
    stop.removeEventListener('abort', kill)
  }
}
