/** Keys about the runtime on the host. */
import type { InternetworkingModel } from '../config.ts'
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, choice, integer, path } from '../value-types.ts'

export interface RuntimeConfig {
  readonly enableDebug: boolean
  readonly disableGuestSeccomp: boolean
  /** Seconds. */
  readonly createContainerTimeout: number
  readonly internetworkingModel: InternetworkingModel
  readonly sandboxCgroupOnly: boolean
  readonly enableVcpusPinning: boolean
  readonly staticSandboxResourceMgmt: boolean
  readonly kubeletRootDir: string
  readonly emptydirMode: 'shared-fs' | 'block-plain'
  /** MiB; 0: as large as the file system that the volume lies on. */
  readonly emptydirDiskSize: number
  /** MiB; 0: no limit. */
  readonly imageStoreLimit: number
}

const key = keysOf('runtime')

export const runtimeKeys = (): readonly Key[] => [
  key('enable_debug', 'enableDebug', boolean, false, 'Makes the shim log in detail.'),
  key(
    'disable_guest_seccomp',
    'disableGuestSeccomp',
    boolean,
    // Kata's templates call true the default because they say so; neither of its runtimes takes it for a file that does not.
    false,
    'Runs containers in the guest without their seccomp profile. The file that Kata ships says true.',
    {
      wall: true,
      opens: {
        wall: 'seccomp',
        what: (isDisabled) =>
          isDisabled
            ? 'containers run without their seccomp profiles (disable_guest_seccomp = true)'
            : undefined,
      },
      annotation: 'disable_guest_seccomp',
      example: 'false',
      restricting: false,
    },
  ),
  key(
    'create_container_timeout',
    'createContainerTimeout',
    integer(1, 86400, ' seconds'),
    60,
    'How long creating a container may take, in seconds. runtime-rs has the key in `[agent.kata]`, which is read as well. QEMU has the same time to plug a VFIO device in, but at least 10 s, and 2 s more for each GiB of memory, because it pins the memory.',
    { annotation: 'create_container_timeout', example: '120' },
  ),
  key(
    'internetworking_model',
    'internetworkingModel',
    choice(['tcfilter', 'none']),
    'tcfilter',
    "How the pod's interfaces reach the guest: `tcfilter` redirects traffic between each of them and a tap device, `none` leaves the guest without a network.",
    { annotation: 'internetworking_model', example: 'none' },
  ),
  key(
    'sandbox_cgroup_only',
    'sandboxCgroupOnly',
    boolean,
    false,
    "Puts shim, VMM and virtiofsd into the pod's cgroup, so that the pod's limits hold for all of them. Otherwise the overhead is in its own cgroup.",
    { wall: true, annotation: 'sandbox_cgroup_only', example: 'true' },
  ),
  key(
    'enable_vcpus_pinning',
    'enableVcpusPinning',
    boolean,
    false,
    "Runs each vCPU on one processor of the host, if the cpuset of the pod's containers (from the kubelet's static CPU manager, for instance) has as many processors as the machine has vCPUs. Otherwise a vCPU runs on any of them.",
    { annotation: 'enable_vcpus_pinning', example: 'true' },
  ),
  key(
    'static_sandbox_resource_mgmt',
    'staticSandboxResourceMgmt',
    boolean,
    false,
    'Gives the machine its full size at the start, as announced for the pod, and never changes it.',
  ),
  key(
    'kubelet_root_dir',
    'kubeletRootDir',
    path(),
    '/var/lib/kubelet',
    'The directory of the kubelet (its `--root-dir`), without symbolic links. k0s has `/var/lib/k0s/kubelet`, microk8s `/var/snap/microk8s/common/var/lib/kubelet`. kata-ts looks there for the volumes of a pod before its first container starts, and volumes that kubelet made there keep set-id bits and file capabilities.',
  ),
  key(
    'emptydir_mode',
    'emptydirMode',
    choice(['shared-fs', 'block-plain'], { '': 'shared-fs' }),
    'shared-fs',
    'What an emptyDir on disk is. `shared-fs`: a directory of the host, shared by virtio-fs. `block-plain`: a disk of the machine with an ext4, which the containers of the pod share and which is removed with the pod. Kata also has `block-encrypted`, which is refused here.',
    { annotation: 'emptydir_mode', example: 'block-plain' },
  ),
  key(
    'emptydir_disk_size',
    'emptydirDiskSize',
    integer(0, 16_777_216, ' MiB'),
    0,
    'Size of an emptyDir with `emptydir_mode = "block-plain"`, in MiB; beyond it, writes fail with ENOSPC. 0 means the size of the file system that the volume lies on, as in Kata. The host allocates blocks as the pod writes.',
    { own: true, annotation: 'emptydir_disk_size', example: '512' },
  ),
  key(
    'image_store_limit',
    'imageStoreLimit',
    integer(0, 1_073_741_824, ' MiB'),
    51_200,
    'Disk space for the images of `kata-ts pull` and `kata-ts run IMAGE` with their unpacked layers, in MiB. A pull beyond it fails; `kata-ts prune` frees space. 0 means no limit. Images of containerd and Docker do not count.',
    { own: true },
  ),
]
