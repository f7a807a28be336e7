/** The configuration of a containerd of the test's own, with kata-ts and runc as runtime handlers. */
import { pauseImage } from './images.ts'

export interface ContainerdFiles {
  /** Images and snapshots: a real file system, which an overlay can write to. */
  readonly root: string
  /** Sockets, bundles and network namespaces: short paths. */
  readonly state: string
  readonly configuration: string
  readonly networks: string
  readonly socket: string
  /** The empty file system that the snapshotter blockfile begins with. */
  readonly scratch: string
}

/** What containerd calls a way to run pods: `runtime_handler` of CRI and the name in `handlers` below. */
export interface Handler {
  /** Path of a configuration.toml; undefined: kata-ts looks for one itself. */
  readonly configPath?: string | undefined
  /** Privileged containers get a list of the host's devices along, containerd's default. */
  readonly hostDevices?: boolean
  /** Who makes the pod: a sandbox container of containerd's (podsandbox, the default), or the shim, for containerd 2. */
  readonly sandboxer?: 'podsandbox' | 'shim'
}

/** The bridge that CNI makes for pods, and their addresses. */
export const bridgeName = 'katats0'
const podSubnet = '10.89.7.0/24'
export const bridgeAddress = '10.89.7.1'

/**
 * containerd's configuration, version 2. `restrict_oom_score_adj` and `disable_apparmor` let runc run where this
 * machine's root has not all rights; kata-ts needs neither.
 */
export function containerdConfiguration(
  files: ContainerdFiles,
  handlers: Readonly<Record<string, Handler>>,
  snapshotter: string,
): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "${files.root}"
state = "${files.state}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing"
]
${snapshotter === 'blockfile' ? blockfileTable(files) : ''}${snapshotter === 'erofs' ? erofsTable : ''}[grpc]
address = "${files.socket}"
[ttrpc]
address = "${files.socket}.ttrpc"
[${cri}]
sandbox_image = "${pauseImage}"
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[${cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${files.networks}"
max_conf_num = 1
[${cri}.containerd]
snapshotter = "${snapshotter}"
default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
${Object.entries(handlers)
  .map(([name, handler]) => handlerTable(`${cri}.containerd.runtimes.${name}`, handler))
  .join('')}`
}

const blockfileTable = ({
  root,
  scratch,
}: ContainerdFiles): string => `[plugins."io.containerd.snapshotter.v1.blockfile"]
root_path = "${root}/blockfile"
scratch_file = "${scratch}"
fs_type = "ext4"
mount_options = ["loop"]
`

/** Its own differ makes layers that it can mount. */
const erofsTable = `[plugins."io.containerd.service.v1.diff-service"]
default = ["erofs", "walking"]
`

function handlerTable(table: string, handler: Handler): string {
  const { configPath, hostDevices = false, sandboxer } = handler
  return `[${table}]
runtime_type = "io.containerd.kata-ts.v2"
${sandboxer === undefined ? '' : `sandboxer = "${sandboxer}"`}
privileged_without_host_devices = ${!hostDevices}
pod_annotations = ["io.katacontainers.*"]
container_annotations = ["io.katacontainers.*"]
${configPath === undefined ? '' : `[${table}.options]\nConfigPath = "${configPath}"\n`}`
}

/** One bridge, without a way out: nothing of the host's firewall is touched. */
export function networkConfiguration(addresses: string, name = bridgeName): string {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: podSubnet }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: addresses,
  }
  const bridge = {
    type: 'bridge',
    bridge: name,
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam,
  }
  return JSON.stringify({ cniVersion: '0.4.0', name: 'kata-ts-e2e', plugins: [bridge] })
}
