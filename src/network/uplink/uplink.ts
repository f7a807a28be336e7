/** A network for one container: a gateway that filters, and pasta, which brings the outside to it. */
import type { NetworkWishes, PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import { hostResolvConf } from '../../linux/files/resolv-conf.ts'
import { hasIpv4Route } from '../../linux/interfaces/ipv4.ts'
import { hasIpv6, hasIpv6Route } from '../../linux/interfaces/ipv6.ts'
import { firstOpenPort } from '../../linux/interfaces/low-ports.ts'
import type { Logger } from '../../log.ts'
import { confineBy, heldAsProcess } from '../../rootless/confine.ts'
import type { Launched } from '../../rootless/launcher.ts'
import { isAddress } from '../egress/egress.ts'
import { type ContainerLink, linkOf, pastaLink } from './addresses.ts'
import { hasNameServer } from './gateway-rules.ts'
import { closeHost, firstNameServer } from './host-rules.ts'
import { lookAfter } from './look-after.ts'
import { type LaunchedPasta, pastaLauncher, pastaPosture, resolverPosture } from './pasta.ts'
import { type OwnProgram, ownProgram, resolverLauncher } from './resolver-process.ts'
import { networkTool } from './tools.ts'

export interface UplinkOptions {
  readonly wishes: NetworkWishes
  /** Directory of the members of its network, when it has a place on one. */
  readonly members?: string | undefined
  /** The user of all its processes, and of nothing else. */
  readonly uid: number
  /** Names this lease of the user. */
  readonly token: string
  /** Root-owned directory of the sandbox, where audits find what was promised. */
  readonly stateDir: string
  /** Aborts the start. */
  readonly signal: AbortSignal
  /** What runs the name server; default this very program. */
  readonly program?: OwnProgram
}

export interface Uplink extends LaunchedPasta {
  /** {@link lookAfter}: tells what it loses, and mends what can be mended, until `signal` fires. */
  lookAfter(log: Logger, signal: AbortSignal): Promise<void>
}

/**
 * Makes the network; the container's end is the network namespace of the process `container`. The caller's lease of the user ends
 * what is left of its processes.
 *
 * @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_START_FAILED, NETWORK_WALL_FAILED, NETWORK_PORT_RESERVED, POSTURE_DIFFERS.
 */
export async function startUplink(ledger: Ledger, options: UplinkOptions): Promise<Uplink> {
  const { wishes, uid, stateDir, signal } = options
  requireOpenPorts(wishes.ports)
  const nameServer = firstNameServer(hostResolvConf())
  const wall = await closeHost(ledger, options, { nameServer, ports: wishes.ports })
  const link = linkOf(wishes, hasIpv6())
  const launch = pastaLauncher({ uid, wishes, link, nameServer, ipv4: hasIpv4Route(), ipv6: hasIpv6Route() })
  const posture = pastaPosture(uid, wishes.ports)
  const start = { name: 'pasta', stateDir, launch, options: { signal } }
  const pasta = await confineBy(ledger, heldAsProcess('pasta'), start, async () => ({
    checked: posture,
    working: posture,
    settles: true,
  }))
  const startServer = (until: AbortSignal) =>
    startNameServer(ledger, { pasta, link }, { ...options, signal: until })
  const again = async (until: AbortSignal) => {
    await ledger.release(processResource, ({ name }) => name === resolverName)
    return startServer(until)
  }
  const own = hasNameServer(wishes) ? { running: await startServer(signal), again } : undefined
  const all = { pasta, wall, nameServer: own }
  return { ...pasta, lookAfter: (log, until) => lookAfter(all, log, until) }
}

/** pasta listens with no right of root's. */
function requireOpenPorts(ports: readonly PublishedPort[]): void {
  const first = firstOpenPort()
  const reserved = ports.find(({ host }) => host < first)
  if (reserved !== undefined) throw new KataError('NETWORK_PORT_RESERVED', { port: reserved.host, first })
}

const resolverName = 'resolver'

function startNameServer(
  ledger: Ledger,
  { pasta, link }: { readonly pasta: LaunchedPasta; readonly link: ContainerLink },
  { wishes, members, uid, stateDir, signal, program = ownProgram() }: UplinkOptions,
): Promise<Launched> {
  const settings = {
    nft: networkTool('nft'),
    listen: link.gateway,
    members,
    networks: networksOf(wishes, link),
    ipv6: hasIpv6Route(),
    upstream: wishes.place?.upstream ?? pastaLink.dns,
    allowed: wishes.allowed?.filter((host) => !isAddress(host)),
  }
  const launch = resolverLauncher({ uid, stateDir }, pasta.gateway, settings, program)
  const posture = resolverPosture(uid)
  const start = { name: resolverName, stateDir, launch, options: { signal } }
  return confineBy(ledger, heldAsProcess(resolverName), start, async () => ({
    checked: posture,
    working: posture,
  }))
}

/** On a network that others are on, the name server knows who has its addresses. */
const networksOf = ({ place }: NetworkWishes, { ipv6, ...ipv4 }: ContainerLink): string[] =>
  [place && ipv4, place && ipv6].flatMap((ends) => (ends ? [`${ends.gateway}/${ends.bits}`] : []))
