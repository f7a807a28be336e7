/** `--add-host NAME:ADDRESS` and `--dns ADDRESS`. */

import { KataError } from '../../errors.ts'
import { ipVersion } from '../../netlink/ip.ts'

/** A line of /etc/hosts. @throws KataError OPTION_INVALID. */
export function parseAddHost(text: string): string {
  const [, name = '', address = ''] =
    /^([A-Za-z0-9][A-Za-z0-9._-]*)[:=]\[?([0-9A-Fa-f:.]+)\]?$/.exec(text) ?? []
  if (ipVersion(address) === 0)
    throw new KataError('OPTION_INVALID', {
      option: '--add-host',
      value: text,
      allowed:
        address === '' && /[:=]host-gateway$/.test(text)
          ? 'an address: a container has no way to the services of the host, and no host-gateway'
          : 'NAME:ADDRESS such as db:10.0.0.1',
    })
  return `${address}\t${name}`
}

/** The address of a name server. @throws KataError OPTION_INVALID. */
export function parseDns(text: string): string {
  if (ipVersion(text) === 0)
    throw new KataError('OPTION_INVALID', {
      option: '--dns',
      value: text,
      allowed: 'an IPv4 or IPv6 address',
    })
  return text
}
