/** The parts of e2e/ that the lab host runs for `npm run test:kvm`. */

export interface Part {
  /** Below e2e/, without `.test.ts`. */
  readonly file: string
  /** Only the tests whose name this matches. */
  readonly only?: string
  /** On a lab host that has just booted: both panics that were seen came some twenty minutes and dozens of guests after its boot. */
  readonly boot?: true
  /** Its tests build on each other, so that none of them can be run alone. */
  readonly inOrder?: true
}

/** What KVM, systemd, cgroup v2 and real devices can change, within an hour. */
export const suite: readonly Part[] = [
  // Confinement under KVM: descriptors, nodes and threads that TCG has not.
  { file: 'posture' },
  { file: 'attack' },
  { file: 'live-attack' },
  { file: 'audit' },
  { file: 'kvm/kvm-access' },
  { file: 'accelerator', only: 'tries KVM by a machine of its own' },
  // Nothing is left, whatever dies.
  { file: 'leftovers', only: 'many sandboxes at once|^kill -9', boot: true },
  // A saved machine's clocks and interrupts are KVM's, and four may go on from one moment at once.
  { file: 'templates' },
  { file: 'mapped-templates' },
  { file: 'suspend' },
  { file: 'suspend-clones' },
  { file: 'failpoints', only: '^process |a container with a disk|rootless off', boot: true },
  // What the host's kernel and devices do for a guest.
  { file: 'kvm/vhost', boot: true },
  { file: 'kvm/vfio' },
  { file: 'huge-pages' },
  { file: 'devices' },
  { file: 'tpm' },
  // Processors and memory that come and go, and who counts them.
  { file: 'containerd/sizing', boot: true },
  { file: 'cgroups' },
  { file: 'host-limits' },
  // A host that systemd runs.
  { file: 'kvm/systemd', boot: true, inOrder: true },
  { file: 'how-to/first-pod', inOrder: true },
]

/** What they change little, so that an hour is better spent on the others: runs when it is asked for by name. */
export const onlyByName: readonly Part[] = [
  { file: 'vmm', only: 'opens the device by its group' },
  { file: 'run', only: 'volumes: read-write|exec, kill, logs|^a terminal: one stream' },
  { file: 'shim', only: 'Stats are' },
  { file: 'guest-ends' },
  { file: 'streams' },
  { file: 'network' },
  { file: 'network-limits' },
  { file: 'suspend-networks' },
  { file: 'cpu-placement' },
  { file: 'core-scheduling' },
  { file: 'disk' },
  { file: 'disks' },
  { file: 'disk-limits' },
  { file: 'storage-opt' },
  { file: 'block-rootfs' },
  { file: 'erofs-layers' },
  { file: 'containerd/blockfile' },
  { file: 'containerd/ctr' },
  { file: 'containerd/first' },
]
