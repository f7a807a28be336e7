/**
 * The files of /etc with a container's name and network. They go into the container's own writable layer: the image's files stay as they are,
 * and a volume in their place has precedence.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { findInImage } from '../../images/account-files.ts'
import { isWhiteout } from '../../images/file-tree.ts'
import { atPath } from '../../linux/files/named-write.ts'
import { hostResolvConf } from '../../linux/files/resolv-conf.ts'

export interface EtcWishes {
  readonly hostname: string
  /** The container's addresses on a network where others resolve its name. Absent: the name resolves to its loopback. */
  readonly addresses?: readonly string[] | undefined
  /** Further lines of /etc/hosts. */
  readonly hosts: readonly string[]
  /** Addresses of name servers. None: the host's name servers, except those on its loopback. */
  readonly dns: readonly string[]
  /** The name server of the container's network, which replaces the host's. */
  readonly nameServer?: string | undefined
  /** False: there is no network, so the host's name servers are not disclosed. Default true. */
  readonly hasNetwork?: boolean
  /** Further lines of resolv.conf. Of several lines for one setting, the last one counts. */
  readonly resolver?: readonly string[]
}

/** Writes the files below `upper`. `layers` are the layers below it, the top layer first. */
export function writeEtcFiles(upper: string, layers: readonly string[], wishes: EtcWishes): void {
  const etc = makeEtc(upper, layers)
  // If the image's /etc is not a directory, the image has its own arrangement.
  if (etc === undefined) return
  for (const [name, text] of Object.entries(etcFiles(wishes, hostResolvConf())))
    atPath(upper, () => writeFileSync(`${upper}/${etc}/${name}`, text, { mode: 0o644, flag: 'wx' }))
}

/**
 * Makes /etc and returns its path below `upper`. The image's links are followed within the image. Undefined if /etc is not a directory, or a
 * link without a target.
 */
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

/** Copies owner and mode, because the directory in the upper layer hides those below it. */
function copyFacts(layers: readonly string[], path: string, to: string): void {
  const found = findInImage(layers, path)
  if (found?.kind !== 'directory') return
  const { uid, gid, mode } = lstatSync(`${found.layers[0]}/${path}`)
  chownSync(to, uid, gid)
  chmodSync(to, mode & 0o7777)
}

/** The content of the files by name. Pure. */
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
  // Without `ndots:0`, the resolver would try another container's name in the host's search domains first, where a stranger could answer.
  const ownNames = addresses !== undefined
  return {
    hostname: `${hostname}\n`,
    hosts: `${[...lines, ...hosts].join('\n')}\n`,
    'resolv.conf': resolv + (ownNames && !/\bndots:/.test(resolv) ? 'options ndots:0\n' : ''),
  }
}

/** Replaces the host's name servers, if others were given, and keeps its search list and options. */
function resolverFor(hostResolver: string, nameServers: string): string {
  const lines = reachable(hostResolver)
  return nameServers === '' ? lines : `${nameServers}${lines.replace(/^nameserver\b.*\n/gm, '')}`
}

/** Removes name servers on the host's own loopback (systemd-resolved, dnsmasq), which a machine cannot reach. */
function reachable(resolver: string): string {
  const lines = resolver.split('\n').filter((line) => /^\s*(nameserver|search|domain|options)\s/.test(line))
  return lines
    .filter((line) => !/^\s*nameserver\s+(127\.|::1\b)/.test(line))
    .map((line) => `${line.trim()}\n`)
    .join('')
}
