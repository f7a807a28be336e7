/** An address beside a port: IPv6 is in brackets, as in a URL. */
import { formatIp, parseIp } from '../../netlink/ip.ts'

/** The length of the longest address, in brackets. What is longer is not looked at: a text of many colons would be, from each of them. */
const longest = 64

/** The address as the kernel writes it; undefined when the text is none, or IPv4 in the clothes of IPv6. */
export function parseAddress(text: string): string | undefined {
  if (text.length > longest) return undefined
  const [, ipv6] = /^\[(.+:.*)\]$/.exec(text) ?? []
  if (ipv6 === undefined && text.includes(':')) return undefined
  const bytes = parseIp(ipv6 ?? text)
  if (bytes === undefined) return undefined
  const address = formatIp(bytes)
  return /^::ffff:/.test(address) ? undefined : address
}
