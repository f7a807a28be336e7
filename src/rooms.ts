/**
 * The line between root's rights and the bytes of guests (docs/design/privilege-separation.md). Each folder of src is a room on one
 * side of it, and rooms.test.ts checks every import against these marks. Types do not count: they are gone when the code runs.
 */

/**
 * - `root`: works with root's rights: mounts, namespaces, users, cgroups, processes, devices, files of the host.
 * - `guest`: reads bytes that a guest, a VMM or the author of an image chose.
 * - `neither`: needs no right and serves both sides: plain data, codecs, configuration.
 */
export type Side = 'root' | 'guest' | 'neither'

/** Folders below src, each with the reason for its side. A folder's mark holds for its own files, not for its sub-folders. */
export const rooms: Readonly<Record<string, readonly [Side, why: string]>> = {
  '': ['neither', 'errors, log, time and names, used everywhere'],
  agent: ['guest', 'decodes every answer and every byte of output of the guest agent'],
  bundle: ['root', 'files in the bundle, written and read by root alone'],
  cgroups: ['root', 'makes, limits and removes cgroups'],
  cli: ['root', 'runs as root beside the shim'],
  'cli/actions': ['root', 'as above'],
  'cli/check': ['root', 'opens the host’s devices and starts its programs'],
  'cli/client': [
    'root',
    'makes bundles, starts shims and calls them; output of containers is copied, not read',
  ],
  'cli/commands': ['root', 'as cli'],
  'cli/output': ['root', 'as cli'],
  'cli/parse': ['root', 'the operator’s options; looks up the paths that they name'],
  config: ['neither', 'the operator’s configuration and the pod’s annotations as one value'],
  'config/files': ['neither', 'as above'],
  'config/kata': ['neither', 'as above'],
  'config/kata/keys': ['neither', 'as above'],
  'config/keys': ['neither', 'as above'],
  devices: ['root', 'opens disks and VFIO groups, starts swtpm'],
  errors: ['neither', 'the catalogue of errors'],
  'guest-image': ['root', 'runs apt, gcc and other tools of the host on Debian’s signed packages'],
  'guest-image/modules': ['root', 'as above: packs modules of Debian’s kernel'],
  images: ['root', 'writes layers with their owners and device nodes'],
  'images/formats': ['guest', 'tar streams, JSON documents and account files of images'],
  json: ['neither', 'readers with limits, for documents from anywhere'],
  ledger: ['root', 'what a sandbox holds on the host, and its release'],
  linux: [
    'neither',
    'binds libc; a wrapper has the rights of the process that calls it, and those below that need root’s are apart',
  ],
  'linux/cgroups': ['root', 'writes to cgroups'],
  'linux/files': ['root', 'removes, owns and labels files of others'],
  'linux/interfaces': ['root', 'makes taps and changes the routes of namespaces'],
  'linux/mounts': ['root', 'mounts'],
  'linux/processes': ['root', 'starts and ends processes, sets their rights and namespaces'],
  'linux/sockets': ['neither', 'unix sockets, vsock and descriptors, which any process may use'],
  netlink: ['neither', 'codec of the kernel’s messages; shared with the guest'],
  network: ['root', 'changes a pod’s network namespace'],
  oci: ['neither', 'the runtime specification as one frozen value'],
  'oci/defaults': ['neither', 'as above'],
  'oci/devices': ['neither', 'as above'],
  'oci/guest': ['neither', 'as above: what of it the guest gets'],
  protocol: [
    'neither',
    'generated codecs of the agent’s and containerd’s messages, and what makes their values',
  ],
  'protocol/generated': ['neither', 'as above'],
  'protocol/generated/containerd': ['neither', 'as above'],
  'protocol/generated/cri': ['neither', 'as above'],
  'protocol/generated/google/protobuf': ['neither', 'as above'],
  rootless: ['root', 'the rights that the shim keeps, and records of root’s'],
  'rootless/filters': ['root', 'seccomp and Landlock of what root starts'],
  'rootless/identity': ['root', 'makes users and their directories'],
  'rootless/jail': ['root', 'starts processes in namespaces'],
  'rootless/posture': ['root', 'reads other users’ processes in /proc'],
  sandbox: ['root', 'the pod and its containers, with all they hold on the host'],
  'sandbox/devices': ['root', 'attaches devices of the host'],
  'sandbox/disks': ['root', 'opens and makes disks of the host'],
  'sandbox/end': ['root', 'the teardown'],
  'sandbox/guest': ['guest', 'what is asked of the agent, and what its answers mean'],
  'sandbox/network': ['root', 'runs hooks, enters the pod’s network namespace'],
  'sandbox/pids': ['root', 'starts processes in jails'],
  'sandbox/records': ['root', 'state files of root’s, gc and audit'],
  'sandbox/size': ['root', 'limits by the host’s memory and cgroups'],
  'sandbox/start': ['root', 'takes users, mounts, devices and processes'],
  'sandbox/start/guest': ['root', 'waits for the agent and tells it of the sandbox'],
  'sandbox/start/machine': ['root', 'starts the VMM'],
  'sandbox/start/prepare': ['root', 'takes all that is there before the VMM'],
  'sandbox/storage': ['root', 'mounts, disks and copies of the host’s files'],
  sharing: ['root', 'mounts what the share shows'],
  'sharing/rootfs': ['root', 'mounts root file systems, or copies them to disks'],
  'sharing/virtiofsd': ['root', 'starts the daemon that serves the share'],
  shim: ['root', 'the actions that containerd calls; starts the daemon'],
  'shim/daemon': ['root', 'serves containerd and owns the sandbox'],
  'shim/sandbox': ['root', 'answers containerd; reads its description of a pod'],
  'shim/statistics': ['guest', 'statistics of the guest as metrics'],
  'shim/task': ['root', 'answers containerd; opens its FIFOs'],
  ttrpc: ['neither', 'codec with limits, for containerd as for the guest'],
  vmm: ['root', 'starts VMMs and ends them'],
  'vmm/cloud-hypervisor': ['root', 'as above: its jail, its sockets and its posture'],
  'vmm/cloud-hypervisor/api': ['guest', 'what its API and its event monitor answer'],
  'vmm/cloud-hypervisor/configuration': ['neither', 'its keys and what it needs, as data'],
  'vmm/cloud-hypervisor/settings': ['neither', 'a machine in its terms'],
  'vmm/firecracker': ['root', 'as above: its jailer, its jail and its posture'],
  'vmm/firecracker/api': ['guest', 'what its API answers'],
  'vmm/firecracker/configuration': ['neither', 'its keys and what it needs, as data'],
  'vmm/firecracker/settings': ['neither', 'a machine in its terms'],
  'vmm/host': ['root', 'what a machine takes of the host: images, disks, huge pages, an address'],
  'vmm/http': ['guest', 'answers of Cloud Hypervisor and Firecracker'],
  'vmm/kvm': ['root', 'opens /dev/kvm, notes what came of trials'],
  'vmm/machine': ['neither', 'a machine as data, whichever VMM runs it'],
  'vmm/monitor': ['guest', 'console, output and answers of every VMM; how a machine ended'],
  'vmm/qemu': ['root', 'as vmm: its sockets and its posture'],
  'vmm/qemu/configuration': ['neither', 'its keys and what it needs, as data'],
  'vmm/qemu/monitor': ['guest', 'answers and events of QMP'],
  'vmm/qemu/settings': ['neither', 'a machine in its terms'],
}

/**
 * Doors: the modules, and a few whole rooms, in which both sides meet. They alone may import both. Each becomes messages between two
 * processes, or moves to one side, when the sides are separated.
 */
export const doors: Readonly<Record<string, string>> = {
  'sandbox/start': 'the order of a start: VMM, then agent, then the sandbox in the guest',
  'sandbox/start/machine': 'starts the VMM and connects to its guest',
  'sandbox/start/guest': 'what the stages before have taken, told to the agent',
  'shim/task': 'each call of containerd becomes a call to the guest',
  'sandbox/sandbox.ts': 'the pod: its machine and its guest',
  'sandbox/containers.ts': 'what a container gets of the host, and its creation in the guest',
  'sandbox/container.ts': 'a container: what it holds on the host, and its calls to the guest',
  'sandbox/end/machine-end.ts': 'the signs of an end come from both sides',
  'sandbox/network/network.ts': 'an interface that comes late is plugged in and told to the guest',
  'images/account-files.ts': 'opens the account files of an image and looks up a user in them',
  'images/image-archive.ts': 'reads the documents of an image that it has opened',
  'images/image-files.ts': 'reads the headers of an archive that it has opened',
  'images/layer-cache.ts': 'unpacks a compressed stream into a directory',
  'images/rootfs.ts': 'from an image’s path to mounted layers and a configuration',
  'images/unpack-layer.ts': 'makes the files that a tar stream describes',
  'shim/sandbox/sandbox-service.ts': 'what containerd asks of the pod, answered with its end and statistics',
  'shim/statistics/stats.ts': 'asks the host for its version of cgroups',
  'vmm/vmm-process.ts': 'starts a VMM and reads its output and console',
  'vmm/qemu/qemu.ts': 'starts QEMU and talks to it',
  'vmm/qemu/kvm-probe.ts': 'starts a QEMU and reads whether it booted',
  'vmm/cloud-hypervisor/cloud-hypervisor.ts': 'starts Cloud Hypervisor and talks to it',
  'vmm/firecracker/firecracker.ts': 'starts Firecracker and talks to it',
}

/** Files of the guest's side that touch the host by node:fs. */
export const hostFiles: Readonly<Record<string, string>> = {
  'agent/vsock.ts': 'closes a socket that could not connect',
  'images/formats/byte-source.ts': 'reads an open descriptor',
  'sandbox/guest/passed-drivers.ts': 'reads names of drivers in sysfs',
  'vmm/monitor/console-log.ts': 'writes the console’s log file',
}
