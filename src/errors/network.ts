/** The network of the pod. */
import { entry } from './entry.ts'

export const networkErrors = () => ({
  NETNS_INVALID: entry(
    'failed_precondition',
    'the network namespace {path} cannot be used: {reason}',
    'It must be a network namespace that exists while the pod starts. Look at the program that made it, normally containerd with its CNI plugins.',
  ),
  NETNS_HOST: entry(
    'failed_precondition',
    'the pod asks for the network of the host: {how}',
    'Give the pod a network of its own (without hostNetwork: true or --network host), or run it with another runtime: a virtual machine cannot share the network of the host.',
  ),
  HOOK_FAILED: entry(
    'failed_precondition',
    'the OCI hook {path}, which makes the network of the container, failed: {reason}',
    "See the hook's message, and the log of the client that asked for it (dockerd or nerdctl).",
  ),
  NETWORK_TUN_MISSING: entry(
    'failed_precondition',
    'the host has no {path}, which connects a pod to its virtual machine',
    'Run modprobe tun, and add tun to /etc/modules-load.d to load it at boot. If kata-ts itself runs in a container, pass the device in.',
  ),
  NETWORK_REDIRECT_FAILED: entry(
    'failed_precondition',
    'interface {name} of the pod cannot be connected to its virtual machine: {reason}',
    'The kernel needs sch_ingress, cls_u32 and act_mirred (modprobe them), and the interface must have no other ingress queue. A network namespace serves one sandbox at a time; `kata-ts gc` removes what a crashed sandbox left there.',
  ),
  NETWORK_LIMIT_FAILED: entry(
    'failed_precondition',
    'interface {name} of the pod cannot be limited to {rate} bits per second: {reason}',
    'The kernel needs sch_tbf (modprobe it), and the interface must have no queue of another program. Or set rx_rate_limiter_max_rate and tx_rate_limiter_max_rate to 0.',
  ),
  NETWORK_INTERFACE_UNSUPPORTED: entry(
    'unimplemented',
    'interface {name} of the pod is of kind {kind}, which carries no Ethernet frames',
    'Use a network plugin that makes Ethernet interfaces (veth, macvlan, a physical one), and keep tunnels on the host.',
  ),
  NETWORK_INTERFACES_ALIKE: entry(
    'failed_precondition',
    'the interfaces {other} and {name} of the pod have the same hardware address, {mac}',
    'Give each interface an address of its own: the guest tells its cards apart by it. Interfaces of ipvlan on one link always share one; use macvlan instead.',
  ),
  NETWORK_TOO_MANY: entry(
    'resource_exhausted',
    'the pod has {count} network interfaces; the limit is {most}',
    'Give the pod fewer networks.',
  ),
  NETWORK_PROGRAM_MISSING: entry(
    'failed_precondition',
    "a container's network needs {program}, which the host does not have",
    'Run apt-get install {package}, or run the container with --network none.',
  ),
  NETWORK_START_FAILED: entry(
    'failed_precondition',
    "the container's network cannot be made: {reason}",
    'If the reason names a port that is taken, publish another one. Otherwise check that the kernel has user namespaces, tun, veth and nf_tables. --network none needs none of them.',
  ),
  NETWORK_PORTS_TAKEN: entry(
    'resource_exhausted',
    'no free port of the host can lead to port {port} of the container: {reason}',
    'Name an address that the host has, or publish fewer ports; `kata-ts ps` shows which are published.',
  ),
  NETWORK_PORT_RESERVED: entry(
    'failed_precondition',
    'port {port} of the host cannot be published: only root may listen on ports below {first}, and pasta is not root',
    'Publish at a higher port of the host, or let every user listen from {port} on: sysctl net.ipv4.ip_unprivileged_port_start={port}',
  ),
  NETWORK_PORTS_BUSY: entry(
    'unavailable',
    'other commands are choosing free ports of the host right now',
    'Try again.',
  ),
  NETWORK_WALL_FAILED: entry(
    'failed_precondition',
    "the host's own services cannot be closed to the container's network: {reason}",
    'The kernel needs nf_tables, nft_fib_inet and nf_conntrack (modprobe them). Or run the container with --network none. Nothing was started.',
  ),
  NETWORK_LOST: entry(
    'unavailable',
    'the container has lost its network: {reason}',
    'Run `kata-ts restart`, which recreates it. dmesg says whether the kernel killed a process because memory ran out.',
  ),
  NETWORK_DNS_FAILED: entry(
    'failed_precondition',
    "the container cannot be connected to Docker's name server: {reason}",
    "The kernel needs nf_tables and nft_nat (modprobe them). Or use Docker's default bridge, which has no such server.",
  ),
  NETWORK_NOT_FOUND: entry(
    'not_found',
    'there is no network {"name"} in namespace {namespace}',
    'See `kata-ts network ls` for the names that exist, and make one with `kata-ts network create NAME`.',
  ),
  NETWORK_EXISTS: entry(
    'already_exists',
    'network {"name"} exists already in namespace {namespace}',
    'Use it, choose another name, or remove it with `kata-ts network rm {name}`.',
  ),
  NETWORK_IN_USE: entry(
    'failed_precondition',
    'network {name} belongs to {containers}',
    'Remove these containers first, with `kata-ts rm`.',
  ),
  NETWORK_BUSY: entry('unavailable', 'another command is changing network {name}', 'Try again.'),
  NETWORK_UNREADABLE: entry(
    'internal',
    'the record {path} of a network cannot be read ({reason})',
    'Remove its directory and create the network again.',
  ),
  NETWORK_SUBNET_TAKEN: entry(
    'already_exists',
    'the addresses {subnet} are taken by {by}',
    'Choose another --subnet, or remove unused networks with `kata-ts network rm`.',
  ),
  NETWORK_ADDRESS_INVALID: entry(
    'invalid_argument',
    'a container on network {name} cannot have the address {address}',
    'Choose one within {subnet}, but not its first two or its last one.',
  ),
  NETWORK_ADDRESS_TAKEN: entry(
    'already_exists',
    'the address {address} on network {name} belongs to {container}',
    'Choose another one, or remove that container with `kata-ts rm`.',
  ),
  NETWORK_FULL: entry(
    'resource_exhausted',
    'network {name} has no address left in {subnet}',
    'Remove containers that have ended with `kata-ts rm`, or create a network with a larger --subnet.',
  ),
})
