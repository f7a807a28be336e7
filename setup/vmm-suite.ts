/** The files of e2e/ that say what works with a VMM, without `.test.ts`. */
import type { HypervisorDriver } from '../src/config/config.ts'

/** What drives pods; the rest of e2e/ is about the guest alone, or no VMM at all. */
const pods = [
  ...[
    'run',
    'posture',
    'attack',
    'leftovers',
    'guest-ends',
    'failpoints',
    'uid-reuse',
    'wrong-input',
    'disk',
    'devices',
  ],
  ...['network', 'shim', 'huge-pages', 'containerd/first', 'containerd/ctr', 'containerd/cri'],
  ...['containerd/sizing', 'containerd/network', 'containerd/world', 'containerd/chaos'],
  ...['containerd/bulk', 'containerd/visible', 'containerd/wrong-input', 'containerd/rootless'],
  ...['cgroups', 'cycles', 'open-walls', 'hostile-trees'],
]

/** What is asked of the driver itself. */
const ownFiles: Readonly<Record<HypervisorDriver, readonly string[]>> = {
  qemu: ['vmm', 'disks', 'tpm', 'kvm/kvm-access', 'kvm/vhost', 'kvm/vfio', 'kvm/systemd'],
  clh: ['clh', 'clh-recording', 'clh-session'],
  firecracker: ['firecracker', 'firecracker-pods', 'firecracker-recording'],
}

/** Those whose path holds `filter`. */
export const vmmSuite = (driver: HypervisorDriver, filter = ''): string[] =>
  [...ownFiles[driver], ...pods].filter((file) => file.includes(filter))
