/** `--network none|bridge|NAME|ns:PATH`: which network the machine gets. */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isName } from './name.ts'

/** The network that is always there: one for each container, which leads outside and to no other container. */
export const ownNetwork = 'bridge'
/** Docker's other word for it. */
const usual = 'default'

export type NetworkChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'own' }
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'namespace'; readonly path: string }

/** @throws KataError OPTION_INVALID, NETNS_INVALID. */
export function parseNetwork(text: string): NetworkChoice {
  if (text === 'none') return { kind: 'none' }
  if (text === ownNetwork || text === usual) return { kind: 'own' }
  if (text !== 'host' && isName(text)) return { kind: 'named', name: text }
  const path = /^ns:(\/.+)$/.exec(text)?.[1]
  if (path === undefined)
    throw new KataError('OPTION_INVALID', {
      option: '--network',
      value: text,
      allowed: `none, bridge, the name of a network, ns:/path${text === 'host' ? '; a machine cannot share the network of the host' : ''}`,
    })
  // Never resolved: the target of /proc/PID/ns/net has no name of its own.
  if (!existsSync(path)) throw new KataError('NETNS_INVALID', { path, reason: 'it does not exist' })
  return { kind: 'namespace', path }
}
