/** Commands and options of docker's that we do not have, with the reason or what to use: docs/docker-parity.md is made of them. */

const blockIo = 'the disk_rate_limiter keys of configuration.toml limit the disks of a machine'
const windows = 'it is for Windows containers'
const sharedKernel =
  'it weighs containers of one kernel against each other, but each container has its own machine; use --cpus'
const ownNamespaces = 'a container is alone in its machine, so there are no namespaces to share'
const onNetwork = '--network ns:PATH takes the interfaces of a namespace as they are; set this up there'
const buildElsewhere = 'build and change images with docker or buildah'
const daemonOnly = 'kata-ts has no daemon'

/** By command, and by option of `run`. Those whose nearest name of ours misleads have their advice in docker-words.ts. */
export const refusals: Readonly<Record<string, string>> = {
  builder: buildElsewhere,
  buildx: buildElsewhere,
  checkpoint: 'use `kata-ts snapshot`, or `kata-ts suspend`',
  compose: 'use Docker with the runtime kata-ts (docs/how-to/docker.md)',
  config: '`kata-ts config` is about configuration.toml; a swarm needs a daemon',
  context: daemonOnly,
  login: 'use `skopeo login`',
  logout: 'use `skopeo logout`',
  manifest: 'use `skopeo inspect --raw`',
  node: daemonOnly,
  plugin: 'kata-ts has no plugins',
  push: 'use `skopeo copy`',
  search: 'use `skopeo list-tags`',
  secret: daemonOnly,
  service: '`kata-ts service` lets a group use the command line; a swarm needs a daemon',
  stack: daemonOnly,
  swarm: daemonOnly,
  trust: 'use the policy.json of `skopeo`',
  '--blkio-weight': blockIo,
  '--blkio-weight-device': blockIo,
  '--cgroup-parent': 'the key sandbox_cgroup_only of configuration.toml decides where a sandbox is',
  '--cgroupns': 'a container has its own cgroup namespace, in its machine',
  '--cpu-count': windows,
  '--cpu-percent': windows,
  '--cpu-period': 'use --cpus',
  '--cpu-quota': 'use --cpus',
  '--cpu-rt-period': 'use --cpus; guests have no real-time groups',
  '--cpu-rt-runtime': 'use --cpus; guests have no real-time groups',
  '--cpu-shares': sharedKernel,
  '-c': sharedKernel,
  '--device-cgroup-rule': 'use --device, which makes the rule',
  '--device-read-bps': blockIo,
  '--device-read-iops': blockIo,
  '--device-write-bps': blockIo,
  '--device-write-iops': blockIo,
  '--disable-content-trust': 'use the policy.json of `skopeo`',
  '--domainname': 'use --dns-search',
  '--io-maxbandwidth': windows,
  '--io-maxiops': windows,
  '--ip6': 'use --ip: the IPv6 address follows from it',
  '--ipc': ownNamespaces,
  '--isolation': windows,
  '--kernel-memory': 'cgroup v2 does not have it; use --memory',
  '--link': onNetwork,
  '--link-local-ip': onNetwork,
  '--log-driver': 'the log is a file, for `kata-ts logs`; --log-opt bounds it',
  '--memory-reservation': sharedKernel.replace('--cpus', '--memory'),
  '--memory-swappiness': 'a machine has no swap',
  '--oom-kill-disable': 'cgroup v2 does not have it; use --memory',
  '--pid': ownNamespaces,
  '--runtime': 'kata-ts is the runtime; --config chooses its VMM',
  '--use-api-socket': daemonOnly,
  '--userns': 'a container is in a machine of its own, whose VMM is a throw-away user',
  '--uts': ownNamespaces,
  '--volume-driver': 'volumes are directories of the host; mount the file system there, and use -v',
  '--volumes-from': 'name the volumes: -v NAME:/path',
}
