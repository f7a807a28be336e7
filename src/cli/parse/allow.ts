/** `--allow HOST[:PORT]`: what a container may reach, and nothing else. */
import type { AllowedHost } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { isForwarded } from '../../network/egress/egress.ts'
import { parseAddress } from './address.ts'

const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
const name = new RegExp(`^(\\*\\.)?(${label}\\.)*${label}$`)

/** @throws KataError OPTION_INVALID. */
export function parseAllow(value: string): AllowedHost {
  const [, text = '', digits] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(value) ?? []
  const address = parseAddress(text)
  const host = address ?? text.toLowerCase().replace(/\.$/, '')
  const port = digits === undefined ? undefined : Number(digits)
  const isPort = port === undefined || (port >= 1 && port <= 65_535)
  // A name of digits alone is an address that was written wrongly.
  const isHost = address !== undefined || (name.test(host) && host.length <= 253 && !/^[\d.]+$/.test(host))
  if (address !== undefined && !isForwarded(address))
    throw new KataError('OPTION_INVALID', {
      option: '--allow',
      value,
      allowed:
        'an address that a container may have: none that is loopback, link-local, multicast or reserved, and no metadata service of a cloud',
    })
  if (isHost && isPort) return port === undefined ? { host } : { host, port }
  throw new KataError('OPTION_INVALID', {
    option: '--allow',
    value,
    allowed:
      'a name, *.NAME for all below it, an IPv4 address, or an IPv6 address in brackets, each with :PORT or without',
  })
}
