/** `--network none|ns:PATH`: which network the machine gets. */
import { realpathSync } from 'node:fs'
import { KataError } from '../../errors.ts'

/** The path of a network namespace, or undefined for none. @throws KataError OPTION_INVALID, NETNS_INVALID. */
export function parseNetwork(text: string): string | undefined {
  if (text === 'none') return undefined
  const path = /^ns:(\/.+)$/.exec(text)?.[1]
  if (path === undefined)
    throw new KataError('OPTION_INVALID', { option: '--network', value: text, allowed: 'none, ns:/path' })
  try {
    return realpathSync(path)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('NETNS_INVALID', { path, reason }, { cause })
  }
}
