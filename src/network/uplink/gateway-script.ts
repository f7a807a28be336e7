/**
 * What makes a container's namespaces: pasta runs it in a user and a network namespace of its own, which become the gateway's. It is root
 * there and nobody on the host. It ends as a process that sleeps and holds the gateway's namespace; a child of it holds the container's.
 */
import type { NetworkWishes } from '../../bundle/network.ts'
import { jailLimits } from '../../rootless/jail/jail-command.ts'
import { type ContainerLink, gatewayLinks, linkOf } from './addresses.ts'
import { gatewayRules } from './gateway-rules.ts'
import { networkTool } from './tools.ts'

/** The line that tells that all is made. */
export const readyLine = 'ready'

const { up, down, port } = gatewayLinks

const names = ['ip', 'nft', 'nsenter', 'readlink', 'setpriv', 'sh', 'sleep', 'unshare'] as const
type Tools = Readonly<Record<(typeof names)[number], string>>

/** `$1` are the rules. Descriptor 1 is told when the work is done, and closed. */
const script = (tool: Tools, { container, gateway, bits }: ContainerLink, wishes: NetworkWishes) => `
set -eu
# What pasta left open, and what the shell exports.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
unset PWD OLDPWD
asleep="${tool.setpriv} --pdeathsig KILL -- ${tool.sleep} infinity"
echo 1 > /proc/sys/net/ipv4/ip_forward
for name in all default; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done
${tool.ip} link set lo up
${tool.nft} "$1"
${tool.unshare} --net -- $asleep >/dev/null 2>&1 &
pod=$!
own=$(${tool.readlink} /proc/self/ns/net)
until [ "$(${tool.readlink} /proc/$pod/ns/net)" != "$own" ]; do ${tool.sleep} 0.005; done
${wishes.place === undefined ? '' : bridge(tool)}
${tool.ip} link add name ${wishes.place === undefined ? down : port} type veth peer name eth0 ${
  wishes.mac === undefined ? '' : `address ${wishes.mac}`
} netns $pod
${wishes.place === undefined ? '' : `${tool.ip} link set ${port} master ${down} up`}
${tool.ip} addr add ${gateway}/${bits} dev ${down}
${tool.ip} link set ${down} up
${tool.nsenter} --net=/proc/$pod/ns/net ${tool.sh} -c '
  set -eu
  for name in all default; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done
  ${tool.ip} link set lo up
  ${tool.ip} addr add ${container}/${bits} dev eth0
  ${tool.ip} link set eth0 up
  ${tool.ip} route add default via ${gateway}
'
${tool.ip} link show dev ${up} up >/dev/null
echo ${readyLine}
exec $asleep >/dev/null 2>&1
`

/** The rules for packets that are routed are not for those that are bridged, where the host has br_netfilter. */
const bridge = (tool: Tools) => `
for setting in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$setting" ] || echo 0 > "$setting"; done
${tool.ip} link add name ${down} type bridge mcast_snooping 0
`

/** The command that pasta starts. @throws KataError NETWORK_PROGRAM_MISSING. */
export function gatewayCommand(wishes: NetworkWishes): string[] {
  const tools = Object.fromEntries(names.map((name) => [name, networkTool(name)])) as Tools
  const rules = gatewayRules(wishes).trim()
  return [tools.sh, '-c', script(tools, linkOf(wishes), wishes), 'sh', rules]
}

/**
 * Runs as root, in a mount namespace of its own: gives what follows a /dev/net/tun that it may open, whatever the host's mode, and
 * nothing to write a core file to.
 */
export const beforePasta = (mount: string, mknod: string) => `
set -eu
${mount} -t tmpfs -o mode=755,nosuid,noexec,size=4k tmpfs /dev/net
${mknod} -m 666 /dev/net/tun c 10 200
ulimit -c ${jailLimits.core}
ulimit -p ${jailLimits.nproc}
cd /
unset PWD OLDPWD
exec "$@"
`
