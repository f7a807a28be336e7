/**
 * The files of /etc that say who and where a container is. They go into the container's own writable layer: what the
 * image has in their place stays as it is, and a volume on one of them wins.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { findInImage } from '../../images/account-files.ts'
import { isWhiteout } from '../../images/file-tree.ts'
import { atPath } from '../../linux/files/named-write.ts'
import { hostResolvConf } from '../../linux/files/resolv-conf.ts'

export interface EtcWishes {
  readonly hostname: string
  /** Its own, on a network where others know it by these; absent: its name leads to its localhost. */
  readonly addresses?: readonly string[] | undefined
  /** Lines of /etc/hosts. */
  readonly hosts: readonly string[]
  /** Addresses of name servers; none: those of the host that can be reached from elsewhere. */
  readonly dns: readonly string[]
  /** That of the container's network, in place of the host's. */
  readonly nameServer?: string | undefined
  /** False: no name server can be reached, and those of the host are nobody's business. Default: true. */
  readonly hasNetwork?: boolean
  /** Further lines of resolv.conf; a later line of a kind wins. */
  readonly resolver?: readonly string[]
}

/** Writes the files below `upper`; `layers` is what lies under it, from the top down. */
export function writeEtcFiles(upper: string, layers: readonly string[], wishes: EtcWishes): void {
  const etc = makeEtc(upper, layers)
  // Something that is no directory: the image arranges this in its own way.
  if (etc === undefined) return
  for (const [name, text] of Object.entries(etcFiles(wishes, hostResolvConf())))
    atPath(upper, () => writeFileSync(`${upper}/${etc}/${name}`, text, { mode: 0o644, flag: 'wx' }))
}

/** Where it is below `upper`: links of the image are followed inside that. Undefined where there is something else, or a link to nothing. */
function makeEtc(upper: string, layers: readonly string[]): string | undefined {
  const found = findInImage(layers, '/etc')
  if (found?.kind === 'file') return undefined
  if (found === undefined) {
    const other = layers.map((layer) => lstatSync(`${layer}/etc`, { throwIfNoEntry: false })).find(Boolean)
    if (other !== undefined && !isWhiteout(other)) return undefined
    mkdirSync(`${upper}/etc`, { mode: 0o755 })
    return 'etc'
  }
  for (let depth = 1; depth <= found.parts.length; depth++) {
    const path = found.parts.slice(0, depth).join('/')
    mkdirSync(`${upper}/${path}`)
    copyFacts(layers, path, `${upper}/${path}`)
  }
  return found.parts.join('/')
}

/** The directory in the upper layer hides the others. */
function copyFacts(layers: readonly string[], path: string, to: string): void {
  const found = findInImage(layers, path)
  if (found?.kind !== 'directory') return
  const { uid, gid, mode } = lstatSync(`${found.layers[0]}/${path}`)
  chownSync(to, uid, gid)
  chmodSync(to, mode & 0o7777)
}

/** Pure. */
export function etcFiles(
  { hostname, addresses, hosts, dns, nameServer, hasNetwork = true, resolver = [] }: EtcWishes,
  hostResolver: string,
): Record<string, string> {
  const lines = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...(addresses ?? ['127.0.1.1']).map((address) => `${address}\t${hostname}`),
  ]
  const servers = dns.length > 0 || nameServer === undefined ? dns : [nameServer]
  const asked = servers.map((address) => `nameserver ${address}\n`).join('')
  const given = hasNetwork ? resolverFor(hostResolver, asked) : asked || '# This container has no network.\n'
  const resolv = given + resolver.map((line) => `${line}\n`).join('')
  // Else the name of another container would be asked for in the host's search domains first, outside, where anything may be its answer.
  const ownNames = addresses !== undefined
  return {
    hostname: `${hostname}\n`,
    hosts: `${[...lines, ...hosts].join('\n')}\n`,
    'resolv.conf': resolv + (ownNames && !/\bndots:/.test(resolv) ? 'options ndots:0\n' : ''),
  }
}

/** The host's search list and options serve any name server. */
function resolverFor(hostResolver: string, nameServers: string): string {
  const lines = reachable(hostResolver)
  return nameServers === '' ? lines : `${nameServers}${lines.replace(/^nameserver\b.*\n/gm, '')}`
}

/** A machine cannot reach a name server on the host's own loopback (systemd-resolved, dnsmasq). */
function reachable(resolver: string): string {
  const lines = resolver.split('\n').filter((line) => /^\s*(nameserver|search|domain|options)\s/.test(line))
  return lines
    .filter((line) => !/^\s*nameserver\s+(127\.|::1\b)/.test(line))
    .map((line) => `${line.trim()}\n`)
    .join('')
}
