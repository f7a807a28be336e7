/**
 * What makes a container's namespaces: pasta runs it in a user and a network namespace of its own, which become the gateway's. It is root
 * there and nobody on the host. It ends as a process that sleeps and holds the gateway's namespace; a child of it holds the container's.
 */
import type { NetworkWishes } from '../../bundle/network.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { jailShell } from '../../rootless/jail/jail-tools.ts'
import { type ContainerLink, gatewayLinks, type Ipv6Ends } from './addresses.ts'
import { gatewayRules } from './gateway-rules.ts'
import { inArguments } from './long-text.ts'
import { networkTool } from './tools.ts'

/** The line that tells that all is made. */
export const readyLine = 'ready'

const { up, down, port } = gatewayLinks

const names = ['ip', 'nft', 'nsenter', 'readlink', 'setpriv', 'sleep', 'unshare', jailShell] as const
type Tools = Readonly<Record<(typeof names)[number], string>>

/** The arguments together are the rules. Descriptor 1 is told when the work is done, and closed. */
const script = (tool: Tools, link: ContainerLink, wishes: NetworkWishes) => `
set -eu
# What the shell exports.
unset PWD OLDPWD
asleep="${tool.setpriv} --pdeathsig KILL -- ${tool.sleep} infinity"
echo 1 > /proc/sys/net/ipv4/ip_forward
# Only those on a link are answered, and remembered (gateway-rules.ts).
echo 2 > /proc/sys/net/ipv4/conf/all/arp_ignore
${link.ipv6 === undefined ? noIpv6 : `echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n${onlyGivenIpv6('default')}`}
printf %s "$@" | ${tool.nft} -f -
${tool.unshare} --net -- $asleep >/dev/null 2>&1 &
pod=$!
own=$(${tool.readlink} /proc/self/ns/net)
until [ "$(${tool.readlink} /proc/$pod/ns/net)" != "$own" ]; do ${tool.sleep} 0.005; done
${wishes.place === undefined ? '' : unfilteredBridge}
${tool.ip} -batch - <<END
${gatewayEnd(wishes, link).join('\n')}
END
${tool.nsenter} --net=/proc/$pod/ns/net ${tool[jailShell]} -c '
  set -eu
  ${link.ipv6 === undefined ? noIpv6 : onlyGivenIpv6('default', 'eth0')}
  exec ${tool.ip} -batch -
' <<END
${containerEnd(link).join('\n')}
END
${tool.ip} link show dev ${up} up >/dev/null
echo ${readyLine}
exec $asleep >/dev/null 2>&1
`

/** Commands of ip(8) for the gateway: its link to the container, which on a shared network is a port of a bridge. */
function gatewayEnd({ place, mac }: NetworkWishes, { gateway, bits, ipv6 }: ContainerLink): string[] {
  const own = mac === undefined ? '' : ` address ${mac}`
  const end = place === undefined ? down : port
  return [
    'link set lo up',
    ...(place === undefined ? [] : [`link add name ${down} type bridge mcast_snooping 0`]),
    `link add name ${end} type veth peer name eth0${own} netns $pod`,
    ...(place === undefined ? [] : [`link set ${port} master ${down} up`]),
    `addr add ${gateway}/${bits} dev ${down}`,
    ...ipv6Addresses('gateway', down, ipv6),
    `link set ${down} up`,
  ]
}

/** The same for the container. */
const containerEnd = ({ container, gateway, bits, ipv6 }: ContainerLink): string[] => [
  'link set lo up',
  `addr add ${container}/${bits} dev eth0`,
  'link set eth0 up',
  `route add default via ${gateway}`,
  ...ipv6Addresses('container', 'eth0', ipv6),
  ...(ipv6 === undefined ? [] : [`route add ::/0 via ${ipv6.gateway}`]),
]

/** They are unique by construction, so duplicate address detection is off. */
const ipv6Addresses = (end: 'container' | 'gateway', device: string, ipv6: Ipv6Ends | undefined): string[] =>
  (ipv6 === undefined ? [] : [ipv6, ipv6.linkLocal]).map(
    (ends) => `addr add ${ends[end]}/${ends.bits} dev ${device} nodad`,
  )

/** A kernel that was started without IPv6 has no such settings. */
const noIpv6 =
  'for setting in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e "$setting" ] || echo 1 > "$setting"; done'

/** No addresses but those that are given: none of the link's own, none by a router's words. Links of the future follow `default`. */
const onlyGivenIpv6 = (...links: readonly string[]) => `for link in ${links.join(' ')}; do
  echo 1 > /proc/sys/net/ipv6/conf/$link/addr_gen_mode
  for setting in accept_ra accept_dad; do echo 0 > /proc/sys/net/ipv6/conf/$link/$setting; done
done`

/** The rules for packets that are routed are not for those that are bridged, where the host has br_netfilter. */
const unfilteredBridge =
  'for setting in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$setting" ] || echo 0 > "$setting"; done'

/** The command that pasta starts. @throws KataError NETWORK_PROGRAM_MISSING. */
export function gatewayCommand(wishes: NetworkWishes, link: ContainerLink): string[] {
  const tools = Object.fromEntries(names.map((name) => [name, networkTool(name)])) as Tools
  const rules = `${gatewayRules(wishes, link).trim()}\n`
  return [
    ...onlyStandard(networkTool('bash')),
    tools[jailShell],
    '-c',
    script(tools, link, wishes),
    'sh',
    ...inArguments(rules),
  ]
}

/**
 * Goes before a command that gets no descriptor beyond the standard ones, and no environment. pasta leaves all of its listening sockets open,
 * one for each published port and family; dash has no word for a descriptor above 9.
 */
export const onlyStandard = (bash: string): string[] => [
  ...[bash, '--norc', '--noprofile', '-c'],
  `for path in /proc/$$/fd/*; do fd=\${path##*/}; if ((fd > 2)); then eval "exec $fd>&-"; fi; done; exec -c "$@"`,
  'bash',
]

/** Where pasta's filter is for setpriv. */
export const filterPath = '/dev/net/filter'

/** Where pasta is for what {@link beforePasta} starts. It takes its name from its path, and its faster build from beside it. */
export const pastaPath = '/dev/net/pasta'

/** Paths on the host. */
export interface BeforePasta {
  readonly mount: string
  readonly mknod: string
  readonly pasta: string
}

/**
 * Runs as root, in a mount namespace of its own: gives what follows a /dev/net/tun that it may open, whatever the host's mode, a
 * system call filter at {@link filterPath}, pasta at {@link pastaPath}, at most so many descriptors, and nothing to write a core file to.
 *
 * Debian has a profile of AppArmor for /usr/bin/pasta. Without new privileges no program leaves a profile, so under it pasta could start
 * no gateway. A profile goes by path, and none names this one.
 */
export const beforePasta = ({ mount, mknod, pasta }: BeforePasta, filter: Buffer, descriptors: number) => `
set -eu
${mount} -t tmpfs -o mode=755,nosuid,noexec,size=4k tmpfs /dev/net
${mknod} -m 666 /dev/net/tun c 10 200
(umask 022; printf '${octal(filter)}' > ${filterPath})
for build in '' .avx2; do
  [ -e "${pasta}$build" ] || continue
  : > ${pastaPath}$build
  ${mount} --bind "${pasta}$build" ${pastaPath}$build
done
ulimit -c ${jailLimits.core}
ulimit -n ${descriptors}
ulimit -p ${jailLimits.nproc}
cd /
unset PWD OLDPWD
exec "$@"
`

/** As printf(1) takes bytes. */
const octal = (bytes: Buffer): string =>
  Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
