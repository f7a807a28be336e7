/** `--network none|ns:PATH`: which network the machine gets. */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'

/** The path of a network namespace, or undefined for none. @throws KataError OPTION_INVALID, NETNS_INVALID. */
export function parseNetwork(text: string): string | undefined {
  if (text === 'none') return undefined
  const path = /^ns:(\/.+)$/.exec(text)?.[1]
  if (path === undefined)
    throw new KataError('OPTION_INVALID', { option: '--network', value: text, allowed: 'none, ns:/path' })
  // Never resolved: the target of /proc/PID/ns/net has no name of its own.
  if (!existsSync(path)) throw new KataError('NETNS_INVALID', { path, reason: 'it does not exist' })
  return path
}
