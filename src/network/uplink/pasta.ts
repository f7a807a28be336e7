/**
 * pasta (Debian's passt): carries a container's packets between its gateway and sockets of the host, as an unprivileged user. It builds a
 * jail of its own: a user namespace, an empty read-only root, a system call filter. Its network namespace is the host's, because that
 * is its work; a filter of ours leaves it the sockets for that.
 */
import { readFileSync } from 'node:fs'
import type { NetworkWishes, PublishedPort } from '../../bundle/network.ts'
import { ownDescriptorRights } from '../../linux/processes/descriptor-limit.ts'
import { childrenOf, type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { networkFilter } from '../../rootless/filters/network-filter.ts'
import { exitOf } from '../../rootless/jail/exit-of.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { jailShell } from '../../rootless/jail/jail-tools.ts'
import { enterPodScore } from '../../rootless/jail/oom-score.ts'
import type { Companion, Launched, Launcher } from '../../rootless/launcher.ts'
import { readNamespaces } from '../../rootless/posture/posture.ts'
import { type ExpectedPosture, noCapabilities, ownNamespaces } from '../../rootless/posture/posture-check.ts'
import { type ContainerLink, gatewayLinks, pastaLink, pastaLinkIpv6 } from './addresses.ts'
import { beforePasta, filterPath, gatewayCommand, pastaPath, readyLine } from './gateway-script.ts'
import { networkTool } from './tools.ts'
import { whenReady } from './when-ready.ts'

/** In its own user namespace: CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN. */
const ownCapabilities = '0000000000200400'
/** What pasta leaves to the processes in that namespace: CAP_NET_ADMIN besides. */
const sleeperCapabilities = '0000000000201400'
const resolverCapabilities = '0000000000001400'
const limits = {
  core: `${jailLimits.core}:${jailLimits.core}`,
  nproc: `${jailLimits.nproc}:${jailLimits.nproc}`,
} as const

/**
 * How many connections to the outside a container may have at once. Each is a socket of pasta's on the host, and an entry of the host's
 * connection tracking, where that is in use. Its table has room for 65,536 to 262,144, and drops what the host connects once it is full.
 */
const mostConnections = 32_768

/** A published port is a socket in each family. Less where our own hard limit is. */
const mostDescriptors = (ports: readonly PublishedPort[]): number =>
  Math.min(mostConnections + 2 * ports.length, ownDescriptorRights().hard)

export interface PastaRequest {
  readonly uid: number
  readonly wishes: NetworkWishes
  readonly link: ContainerLink
  /** The host's name server, to which the wall is open; undefined when it has none with IPv4. */
  readonly nameServer: string | undefined
  /** Whether each leads outside. */
  readonly ipv4: boolean
  readonly ipv6: boolean
}

export interface LaunchedPasta extends Launched {
  /** Holds the gateway's namespaces. */
  readonly gateway: ProcessRef
  /** Holds the container's network namespace. */
  readonly container: ProcessRef
  /** The last of what it says, until its end; it may have been taken over. */
  said(): Promise<string>
}

/** Pure. */
export function pastaArgs(
  ports: readonly PublishedPort[],
  { nameServer, ipv4, ipv6 }: Pick<PastaRequest, 'nameServer' | 'ipv4' | 'ipv6'>,
): string[] {
  // Without an address, pasta accepts one family where the port of the other is taken.
  const everywhere = ipv4 && ipv6 ? ['0.0.0.0/', '::/'] : ['']
  const of = (wanted: 'tcp' | 'udp', option: string) => {
    const specs = ports
      .filter(({ protocol }) => protocol === wanted)
      .flatMap(({ address, host, container }) =>
        (address === undefined ? everywhere : [`${address}/`]).map((at) => `${at}${host}:${container}`),
      )
    return specs.length === 0 ? [option, 'none'] : specs.flatMap((spec) => [option, spec])
  }
  return [
    ...['--foreground', '--quiet', '--config-net', '--ns-ifname', gatewayLinks.up],
    ...['--address', pastaLink.own, '--netmask', `${pastaLink.bits}`, '--gateway', pastaLink.gateway],
    ...['--mtu', '1500', '--no-map-gw', '--dns-forward', pastaLink.dns],
    // Its own reader of resolv.conf takes no tabs and no comments, which the C library does, and the file may change meanwhile.
    ...(nameServer === undefined ? [] : ['--dns-host', nameServer]),
    ...(ipv6 ? ipv6Args : ['--ipv4-only']),
    // Without it a client on the host's localhost would reach the gateway's localhost, where nothing is.
    '--no-splice',
    ...[...of('tcp', '--tcp-ports'), ...of('udp', '--udp-ports'), '--tcp-ns', 'none', '--udp-ns', 'none'],
  ]
}

/**
 * Clients on the host's ::1 would come from a link-local address, which is never forwarded. The address in its place would lead back to the
 * host, as any of the host's does; both walls close it (gateway-rules.ts, host-rules.ts).
 */
const ipv6Args = [
  ...['--address', pastaLinkIpv6.own, '--gateway', pastaLinkIpv6.gateway],
  ...['--map-host-loopback', pastaLinkIpv6.localhost, '--no-ra', '--no-dhcpv6'],
]

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_START_FAILED with what it said; what has been started is known then. */
export function pastaLauncher(request: PastaRequest): Launcher<LaunchedPasta> {
  return async ({ signal }, known) => {
    const child = Bun.spawn({
      cmd: command(request),
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ref = processRef(child.pid)
    if (ref !== undefined) known(ref)
    const find = () => {
      const [gateway] = ref === undefined ? [] : childrenOf(ref)
      const [container] = gateway === undefined ? [] : childrenOf(gateway)
      return ref && gateway && container && { ref, gateway, container }
    }
    const { found, said } = await whenReady(child, { word: readyLine, signal, find })
    const sleeper = (name: string, holder: ProcessRef): Companion => ({
      name,
      ref: holder,
      asked: () => ({ checked: sleeperPosture(request.uid), working: sleeperPosture(request.uid) }),
    })
    const companions = [sleeper('gateway', found.gateway), sleeper('container', found.container)]
    return { ...found, exited: exitOf(child), said, companions }
  }
}

function command({ uid, wishes, link, ...host }: PastaRequest): string[] {
  const setpriv = networkTool('setpriv')
  const tools = { mount: networkTool('mount'), mknod: networkTool('mknod'), pasta: networkTool('pasta') }
  const before = beforePasta(tools, networkFilter(), mostDescriptors(wishes.ports))
  return [
    ...[networkTool('unshare'), '--mount', '--propagation', 'private', '--'],
    ...[networkTool(jailShell), '-c', `${enterPodScore}\n${before}`, 'sh'],
    ...[setpriv, '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--no-new-privs'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'],
    ...['--seccomp-filter', filterPath, '--'],
    ...[pastaPath, ...pastaArgs(wishes.ports, host), '--'],
    ...gatewayCommand(wishes, link),
  ]
}

function common(uid: number) {
  return {
    uid,
    gid: uid,
    groups: [],
    idMap: `0 ${uid} 1`,
    noNewPrivs: 1,
    seccomp: 2,
    inheritedFilters: filtersOf('self'),
    hostNamespaces: readNamespaces('/proc/self')!,
    descriptors: {},
    environment: 0,
    cwd: '/',
    limits: {},
  } as const
}

/** On top of the shim's: that of sockets (network-filter.ts), which all have, and pasta's own. */
const filters = (count: number) => ({ seccompFilters: count, firstThreadFilters: count })

/** It connects and listens in the host's network, and does nothing else there. */
export function pastaPosture(uid: number, ports: readonly PublishedPort[]): ExpectedPosture {
  const descriptors = mostDescriptors(ports)
  return {
    ...common(uid),
    capabilities: inUserNamespace(ownCapabilities),
    limits: { ...limits, nofile: `${descriptors}:${descriptors}` },
    ...filters(2),
    namespaces: ownNamespaces(['mnt', 'ipc', 'uts', 'user']),
    mounts: [{ point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] }],
    opens: ['/dev/null', '/tun', 'anon_inode:[', 'net:[', 'pipe:['],
    sockets: descriptors,
    anySockets: true,
  }
}

/** It reads nothing and writes nothing; its namespaces are its use. */
function sleeperPosture(uid: number): ExpectedPosture {
  return {
    ...common(uid),
    capabilities: inUserNamespace(sleeperCapabilities),
    ...filters(1),
    namespaces: ownNamespaces(['mnt', 'ipc', 'uts', 'net', 'pid', 'user']),
    mounts: [],
    mountsBelow: true,
    opens: ['/dev/null', 'pipe:['],
    sockets: 2,
  }
}

/** A new user namespace begins with a bounding set of all that the kernel knows; NoNewPrivs makes it void. */
function inUserNamespace(held: string): ExpectedPosture['capabilities'] {
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'))
  const all = ((1n << BigInt(last + 1)) - 1n).toString(16).padStart(16, '0')
  return { ...noCapabilities, CapPrm: held, CapEff: held, CapBnd: all }
}

/** The name server: packets of its container and their filter, and nothing else. */
export function resolverPosture(uid: number): ExpectedPosture {
  return {
    ...common(uid),
    limits,
    // CAP_NET_ADMIN and CAP_NET_BIND_SERVICE, in its own user namespace.
    capabilities: {
      ...noCapabilities,
      CapPrm: resolverCapabilities,
      CapEff: resolverCapabilities,
      CapBnd: resolverCapabilities,
    },
    ...filters(1),
    namespaces: ownNamespaces(['net', 'user']),
    mounts: [],
    mountsBelow: true,
    opens: ['/', 'anon_inode:', 'pipe:['],
    // As many as it has questions under way.
    sockets: mostConnections,
    anySockets: true,
  }
}
