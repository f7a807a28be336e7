/**
 * The one catalogue of coded errors. A code is stable for ever; its sentence says what went wrong and names the
 * thing, its remedy says what a person does next. `docs/errors.md` is generated from this table and a test keeps
 * both in step.
 *
 * Placeholders in braces are filled from the fields given to {@link KataError}.
 */

/** ttrpc (= gRPC) status a coded error becomes on the wire. */
export type StatusName =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'deadline_exceeded'

export interface CatalogueEntry {
  /** What went wrong, with `{field}` placeholders. */
  readonly sentence: string
  /** What a person does about it, with `{field}` placeholders. */
  readonly remedy: string
  readonly status: StatusName
}

const entry = (status: StatusName, sentence: string, remedy: string): CatalogueEntry => ({
  sentence,
  remedy,
  status,
})

export const catalogue = {
  // --- general -----------------------------------------------------------------------------------------------
  NOT_ROOT: entry(
    'permission_denied',
    '{what} must be run as root',
    'Run it as root or with sudo: kata-ts needs root to create accounts, namespaces and mounts, and gives it up for the VMM.',
  ),
  SYSCALL_FAILED: entry('internal', '{call} failed: {errno}', 'See the named call and errno; {hint}'),
  SOCKET_PATH_TOO_LONG: entry(
    'invalid_argument',
    'socket path {path} has {length} bytes; the limit is {limit}',
    'Use a shorter name, namespace or run directory: the kernel allows 107 bytes and kata-ts keeps 100.',
  ),
  // --- cgroups -----------------------------------------------------------------------------------------------
  CGROUP_PATH_INVALID: entry(
    'invalid_argument',
    'the cgroups path {path} of the container is not one',
    'The client of the runtime must give a plain path or slice:prefix:name, without ".." in it.',
  ),
  CGROUP_UNUSABLE: entry(
    'failed_precondition',
    'cgroup {path} cannot be used: {reason}',
    'Mount the cgroup file systems writable at /sys/fs/cgroup; with sandbox_cgroup_only = false the sandbox starts without.',
  ),
  CGROUP_STAYS: entry(
    'unavailable',
    'cgroup {path} cannot be removed: processes {pids} are in it',
    'End them or move them to another cgroup; `kata-ts gc` then removes it.',
  ),
  CGROUP_MEMORY_TOO_SMALL: entry(
    'resource_exhausted',
    'cgroup {path} allows {limitMiB} MiB of memory, and a virtual machine does not start with less than {leastMiB} MiB',
    "Raise the pod's memory limits or the overhead of its RuntimeClass, or set sandbox_cgroup_only = false: the machine is then not counted to the pod.",
  ),
  CGROUP_OUT_OF_MEMORY: entry(
    'resource_exhausted',
    'the host ended the machine of sandbox {sandbox}, because {path} had no more than {limitMiB} MiB of memory',
    "Raise the pod's memory limits or the overhead of its RuntimeClass by the machine's own memory (default_memory), or lower default_memory.",
  ),
  // --- config ------------------------------------------------------------------------------------------------
  CONFIG_NOT_FOUND: entry(
    'not_found',
    'configuration file {path} does not exist',
    'Name an existing file, or leave the option away to use the first of {searched}.',
  ),
  CONFIG_ENV_REFUSED: entry(
    'permission_denied',
    'KATA_CONF_FILE names {path}, which is not one of the installed configuration files',
    'Set it to one of {allowed}, or give the file with --config.',
  ),
  CONFIG_UNREADABLE: entry(
    'invalid_argument',
    'configuration file {path} cannot be read: {reason}',
    'Make it a readable UTF-8 text file of at most 1 MiB; a config.d directory holds only such files.',
  ),
  CONFIG_SYNTAX: entry(
    'invalid_argument',
    '{file}:{line}:{column}: not valid TOML: {reason}',
    'Correct that line; https://toml.io/en/v1.0.0 describes the format.',
  ),
  CONFIG_TABLE: entry(
    'invalid_argument',
    '{file}:{line}: {table} is not a configuration table',
    'Allowed here: {allowed}.',
  ),
  CONFIG_TYPE: entry(
    'invalid_argument',
    '{where}: {key} must be {expected}, not {got}',
    'Write {key} as {expected}; allowed: {allowed}.',
  ),
  CONFIG_VALUE: entry(
    'invalid_argument',
    '{where}: {key} does not allow the value {value}',
    'Allowed: {allowed}.',
  ),
  CONFIG_CONFLICT: entry('invalid_argument', '{where}: {reason}', '{hint}'),
  CONFIG_VMM_CANNOT: entry(
    'invalid_argument',
    '{where}: {asked} is not possible with {vmm}: {reason}',
    'Remove it, or use {possible}.',
  ),
  CONFIG_FILE_MISSING: entry(
    'not_found',
    '{key} names {path}, which {reason}',
    'Install it, or correct {key} in {source}.',
  ),
  ANNOTATION_NOT_ENABLED: entry(
    'permission_denied',
    'annotation {annotation} is not enabled',
    'Add "{key}" to enable_annotations in {source}, or remove the annotation from the pod.',
  ),
  ANNOTATION_PATH_REFUSED: entry(
    'permission_denied',
    'annotation {annotation}: {value} is not on the list {list}',
    'Add a pattern for it to {list} in {source}, or remove the annotation from the pod.',
  ),
  ASSET_HASH_MISMATCH: entry(
    'failed_precondition',
    'the pod asks for a {asset} with SHA-512 {expected}, and {file} has {actual}',
    'Install the file that the pod expects, or correct the checksum in its annotation.',
  ),
  ANNOTATION_UNSUPPORTED: entry(
    'unimplemented',
    'annotation {annotation} asks for a check that kata-ts does not do',
    'Remove it from the pod: the pod is not started without a check that it asks for.',
  ),

  // --- rootless: lease, account, private directory, jail, posture ----------------------------------------------
  UID_RANGE_INVALID: entry(
    'invalid_argument',
    'the range of VMM users is unusable: base {base}, {blocks} blocks of 65536 ids',
    'Set rootless_uid_base to a multiple of 65536 from 65536 on, and rootless_uid_blocks so that the range ends below 2147483648.',
  ),
  UID_RANGE_OVERLAP: entry(
    'failed_precondition',
    '{file} line {line} ("{text}") lies in the range reserved for VMM users, {first} to {last}',
    'Remove that line, or move the range with rootless_uid_base and rootless_uid_blocks.',
  ),
  UID_RANGE_EXHAUSTED: entry(
    'resource_exhausted',
    'no VMM user is free: all {blocks} blocks of ids from {first} to {last} are leased',
    'Stop sandboxes, free what dead ones left with `kata-ts gc`, or raise rootless_uid_blocks.',
  ),
  UID_STILL_USED: entry(
    'failed_precondition',
    'ids {first} to {last} stay leased: {what} is left',
    'Run `kata-ts gc` once it is gone; until then these ids are given to nobody.',
  ),
  ACCOUNT_TAKEN: entry(
    'already_exists',
    'an account named {name} or with id {uid} exists already',
    'Run `kata-ts gc`; if the account is not from kata-ts, move the range with rootless_uid_base.',
  ),
  ACCOUNT_FAILED: entry(
    'internal',
    '{tool} for account {name} failed with exit code {code}: {stderr}',
    'See the message of {tool}; rootless_account = "userdb" or "none" needs no account in /etc.',
  ),
  ACCOUNT_TOOL_MISSING: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the package passwd, or set rootless_account = "userdb" or "none".',
  ),
  ETC_READ_ONLY: entry(
    'failed_precondition',
    '{path} cannot be written ({errno}), so no account can be made with useradd',
    'Set rootless_account = "userdb" (drop-ins in /run/userdb) or "none" (bare numbers).',
  ),
  KVM_MISSING: entry(
    'failed_precondition',
    '{path} is not a KVM device node ({reason})',
    'Load the module kvm_intel or kvm_amd and enable virtualization in the firmware, or set accelerator = "tcg".',
  ),
  KVM_GROUP_UNUSABLE: entry(
    'failed_precondition',
    '{path} belongs to group {gid} with mode {mode}: no group can be handed to the VMM user that opens it',
    'Run `groupadd kvm -r`, `chown root:kvm {path}` and `chmod 660 {path}` (or `kata-ts check --fix-kvm`).',
  ),
  PRIVATE_DIR_OCCUPIED: entry(
    'already_exists',
    '{path} exists already and is not from this sandbox',
    'Find out who made it; if a dead sandbox left it, `kata-ts gc` removes it.',
  ),
  PRIVATE_DIR_PARENT_UNSAFE: entry(
    'failed_precondition',
    '{path} is not a directory that only root can write ({reason})',
    'Make it a directory owned by root with mode 0755.',
  ),
  JAIL_MEMORY_LOCK: entry(
    'failed_precondition',
    '{program} needs to lock {wantedMiB} MiB of memory for its devices, and {allowedMiB} MiB are allowed',
    'Let containerd raise it: LimitMEMLOCK=infinity in its unit, or leave it CAP_SYS_RESOURCE; or set hot_plug_vfio and cold_plug_vfio to "no-port".',
  ),
  JAIL_TOOL_MISSING: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the packages util-linux, util-linux-extra and coreutils: the VMM is confined with them.',
  ),
  JAIL_SPEC_INVALID: entry(
    'invalid_argument',
    'the jail of {program} cannot be built: {reason}',
    'Correct the path or identity that is named.',
  ),
  JAIL_FAILED: entry(
    'internal',
    '{program} was not started: confinement step {step} failed ({exit}): {detail}',
    'Nothing was started. The named step needs root with all capabilities; check the kernel and util-linux.',
  ),
  PROCESS_GONE: entry(
    'unavailable',
    'process {pid} ended while it was looked at',
    'Look at its log and exit status.',
  ),
  POSTURE_DIFFERS: entry(
    'failed_precondition',
    'process {pid} is not confined as asked: {differences}',
    'It was not let run. Check that nothing on this host (LSM, wrapper, other runtime) changes processes as they start.',
  ),

  // --- vmm, accelerator ----------------------------------------------------------------------------------------
  VMM_MISSING: entry(
    'failed_precondition',
    'the VMM program {path} {reason}',
    'Install {install}, or correct path= in the configuration.',
  ),
  VMM_TOO_OLD: entry(
    'failed_precondition',
    '{path} is {name} {version}; kata-ts needs {minimum} or later',
    'Install a later {install}, or name one with path= in the configuration.',
  ),
  VMM_OPTION_INVALID: entry(
    'invalid_argument',
    'the virtual machine cannot be described to the VMM: {reason}',
    'Correct the value that is named in the configuration or annotation.',
  ),
  VMM_DISK_IMAGE: entry(
    'failed_precondition',
    'the guest cannot boot from the disk image {path}: it {reason}',
    'Correct image= in the configuration: it names a raw disk image in a regular file.',
  ),
  VMM_EXITED: entry(
    'unavailable',
    'the VMM {program} of sandbox {sandbox} ended ({exit}): {tail}',
    'Its last words say why; nothing of the sandbox is left, and it can be started anew.',
  ),
  VMM_START_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM of sandbox {sandbox} did not answer within {seconds} s: {tail}',
    'Its last words are quoted; if there are none, the host is too busy: wait and start again.',
  ),
  VMM_PROTOCOL: entry(
    'internal',
    'the VMM broke its own protocol: {reason}',
    'It was ended. A compromised or foreign VMM program does this; keep its log and check path= in the configuration.',
  ),
  VMM_DISCONNECTED: entry(
    'unavailable',
    'the connection to the VMM ended while {command} was waited for',
    'The VMM ended or was killed; its log and the console tail say why.',
  ),
  VMM_COMMAND_FAILED: entry(
    'internal',
    'the VMM refused {command}: {reason}',
    'See the reason; vmm.log in the state directory of the sandbox may tell more.',
  ),
  VMM_COMMAND_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM did not answer {command} within {seconds} s',
    'The VMM hangs or the host is overloaded; stop the sandbox if this lasts.',
  ),
  VMM_NO_FREE_PORT: entry(
    'resource_exhausted',
    'no PCIe root port is free for {device}: all {ports} are taken',
    'Raise pcie_root_port in the configuration and start the sandbox anew.',
  ),
  VMM_NO_FREE_DRIVE: entry(
    'resource_exhausted',
    'no drive of {vmm} is free for {device}: all {drives} are taken',
    'Give the pod fewer containers and disks, or use [hypervisor.qemu].',
  ),
  VMM_NO_HOT_NICS: entry(
    'unimplemented',
    '{vmm} takes network cards only before the machine runs',
    'Use a client that makes the network before the sandbox (containerd, Kubernetes), or [hypervisor.qemu].',
  ),
  VMM_NO_VFIO: entry(
    'failed_precondition',
    'host device {device} of container {container} cannot be handed to the machine: kata-ts has no way to give {vmm} one',
    'Use QEMU for containers with VFIO devices.',
  ),
  VMM_UNPLUG_REFUSED: entry(
    'failed_precondition',
    '{device} could not be taken out of the running machine: {reason}',
    'Remove it again once the guest no longer uses it, or end the sandbox, which takes it out in any case.',
  ),
  VMM_NO_HUGEPAGES: entry(
    'resource_exhausted',
    'the machine needs {needed} huge pages of {pageKiB} KiB for its {memoryMiB} MiB, and {free} are free',
    'Reserve more (`sysctl vm.nr_hugepages=...`, or hugepages= on the kernel command line), or set enable_hugepages = false.',
  ),
  VMM_MEMORY_SLOTS: entry(
    'resource_exhausted',
    'the machine cannot get {size} MiB more: all {slots} slots for memory are taken',
    'Raise memory_slots or default_memory in the configuration, or set enable_virtio_mem, and start the pod anew.',
  ),
  VMM_MEMORY_REFUSED: entry(
    'resource_exhausted',
    'the guest did not take {size} MiB of memory: it {answer}',
    'Raise default_memory so that less is added at run time; a kernel of your own needs memory hot-plug by ACPI or virtio-mem.',
  ),
  VMM_GUEST_PANICKED: entry(
    'unavailable',
    'the guest kernel of sandbox {sandbox} panicked: {tail}',
    'The console tail names the cause: often a kernel that misses a driver, a damaged initrd, or too little memory.',
  ),
  VMM_GUEST_SHUT_DOWN: entry(
    'unavailable',
    'the guest of sandbox {sandbox} went down by itself: {tail}',
    'Its last words say why; nothing of the sandbox is left, and it can be started anew.',
  ),
  VMM_INTERNAL_ERROR: entry(
    'internal',
    'the VMM of sandbox {sandbox} stopped the guest with an internal error: {tail}',
    'With KVM the CPU or an outer hypervisor cannot run this guest: set accelerator = "tcg" or "auto".',
  ),
  VMM_GUEST_SILENT: entry(
    'deadline_exceeded',
    'the guest of sandbox {sandbox} said nothing within {seconds} s; its console ends with: {tail}',
    'Raise dial_timeout on a slow host; else check kernel= and initrd=, or set accelerator = "tcg".',
  ),
  KVM_UNUSABLE: entry(
    'failed_precondition',
    'accelerator = "kvm" cannot be used: {reason}',
    'Enable virtualization in the firmware or the outer hypervisor, or set accelerator = "auto" or "tcg".',
  ),

  // --- guest image ---------------------------------------------------------------------------------------------
  IMAGE_MISSING: entry(
    'failed_precondition',
    'there is no guest image in {cacheDir}',
    'Run `kata-ts image build`, or set kernel= and initrd= in the configuration.',
  ),
  IMAGE_FILE_MISSING: entry(
    'failed_precondition',
    'the guest {what} {path} cannot be read ({reason})',
    'Check {what}= in the configuration; if it is not set, run `kata-ts image build`.',
  ),
  IMAGE_CHECKSUM_MISMATCH: entry(
    'failed_precondition',
    '{path} is not what was built: it has {actual}, recorded is {expected}',
    'Run `kata-ts image build`: it replaces a damaged image. Find out who changed the file.',
  ),
  IMAGE_MANIFEST_CORRUPT: entry(
    'failed_precondition',
    'the guest image manifest {path} is damaged: {reason}',
    'Remove the directory that holds it and run `kata-ts image build`.',
  ),
  IMAGE_KERNEL_FORMAT: entry(
    'failed_precondition',
    '{path} is not a kernel that a VMM can start directly: {reason}',
    'Give an uncompressed vmlinux with the PVH note, or leave kernel= empty and run `kata-ts image build`.',
  ),
  IMAGE_INITRD_FORMAT: entry(
    'failed_precondition',
    '{path} is not an initrd: {reason}',
    'Give a newc cpio archive, plain or compressed, or leave initrd= empty and run `kata-ts image build`.',
  ),
  IMAGE_DISK_FULL: entry(
    'resource_exhausted',
    'no space is left for the guest image in {path}',
    'Free about 250 MB on that file system, or name another cache directory, and run `kata-ts image build` again.',
  ),
  IMAGE_CACHE_UNWRITABLE: entry(
    'permission_denied',
    'cannot write the guest image to {path} ({reason})',
    'Run `kata-ts image build` as root, or name a cache directory that you may write.',
  ),
  IMAGE_PACKAGES_UNREACHABLE: entry(
    'unavailable',
    'cannot fetch Debian packages: {reason}',
    'Check the network, the proxy settings and /etc/apt/sources.list*, then run the same command again.',
  ),
  IMAGE_PACKAGE_UNKNOWN: entry(
    'failed_precondition',
    'apt knows no package {name}: {reason}',
    'The guest image needs the main section of Debian 13 or later on amd64 in /etc/apt/sources.list*.',
  ),
  IMAGE_PACKAGE_CONTENT: entry(
    'failed_precondition',
    'the Debian packages do not hold {name} ({reason})',
    'They are newer or older than this version of kata-ts knows: use its latest version.',
  ),
  IMAGE_SYSTEMD_SYMBOL: entry(
    'failed_precondition',
    "{program} of Debian needs {symbol} of libsystemd, which the guest's stub of that library does not have",
    'Add the symbol to libsystemd-stub.c and libsystemd-stub.map in guest/image/native and build again, or use the latest version of kata-ts.',
  ),
  IMAGE_TOOL_MISSING: entry('failed_precondition', 'the program {tool} is not installed', '{hint}'),
  IMAGE_TOOL_FAILED: entry('internal', '{tool} failed: {reason}', 'See the message of {tool}.'),

  // --- sharing, root file systems ------------------------------------------------------------------------------
  SHARE_SOURCE_MISSING: entry(
    'not_found',
    'mount source {source} of container {container} cannot be opened ({reason})',
    'Create it on the host first, or correct the mount.',
  ),
  SHARE_SOURCE_KIND: entry(
    'invalid_argument',
    'mount source {source} of container {container} is a {kind}, which cannot be shown in a virtual machine',
    'Mount a directory or a regular file.',
  ),
  SHARE_ENTRY_TAKEN: entry(
    'already_exists',
    '{path} exists already in the share',
    'A container of this name is still there: remove it first; `kata-ts gc` removes what a crash left.',
  ),
  SHARE_MOUNT_INVALID: entry(
    'invalid_argument',
    '{what} of a mount cannot be used: {reason}',
    'Correct the mount in the request, or use another snapshotter.',
  ),
  SHARE_NOT_COPIED: entry(
    'invalid_argument',
    '{source} cannot be shown in container {container}: the VMM has no shared file system, and only files and directories mounted read-only are copied',
    'Mount it read-only, use a block device or an emptyDir, or use [hypervisor.qemu] or [hypervisor.clh].',
  ),
  SHARE_COPY_TOO_LARGE: entry(
    'invalid_argument',
    '{source} is too large to be copied for container {container}: at most {entries} entries and {mebibytes} MiB are',
    'Put it into the image or on a block device, or use [hypervisor.qemu] or [hypervisor.clh].',
  ),
  ROOTFS_DISK_FAILED: entry(
    'internal',
    'the root file system of container {container} cannot be made a disk: {reason}',
    'See the reason; the disk lies below /var/lib/kata-ts and takes as much room as the image has.',
  ),
  ROOTFS_DISK_TOOL: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the packages e2fsprogs and coreutils: root file systems become disks with them.',
  ),
  SHARE_MOUNT_FAILED: entry(
    'internal',
    'mount of type {type} for container {container} failed with {errno} in {call}',
    'Check that the kernel has that file system, that its directories exist and what `dmesg` says.',
  ),
  SHARE_NOT_IDMAPPABLE: entry(
    'failed_precondition',
    '{source} cannot be shown to container {container} by an unprivileged virtiofsd: its file system does not take an id map ({errno})',
    'Put it on a file system that does (ext4, xfs, btrfs, tmpfs; NFS, FUSE and overlay do not), or set virtio_fs_privilege = "root", for this pod alone by annotation.',
  ),
  SHARE_ID_BEYOND: entry(
    'failed_precondition',
    'container {container} runs with id {id}, which an unprivileged virtiofsd has no place for (0 to {highest})',
    'Run it with a lower id, or set virtio_fs_privilege = "root", for this pod alone by annotation.',
  ),
  SHARE_CONNECTION_TAKEN: entry(
    'failed_precondition',
    'the connection to the share daemon was handed over already',
    'One share serves one virtual machine: make another share for another machine.',
  ),
  VIRTIOFSD_MISSING: entry(
    'failed_precondition',
    'the share daemon {path} cannot be executed ({reason})',
    'Install the package virtiofsd, or correct virtio_fs_daemon in the configuration.',
  ),
  VIRTIOFSD_FAILED: entry(
    'internal',
    'the share daemon {path} did not start ({exit}): {tail}',
    'See its message; check virtio_fs_extra_args in the configuration.',
  ),
  ROOTFS_MISSING: entry(
    'not_found',
    'root file system {path} cannot be used: {reason}',
    'Name an existing directory (--rootfs) or an OCI or docker archive (--image).',
  ),
  ROOTFS_ARCHIVE_INVALID: entry(
    'invalid_argument',
    '{path} is not a usable image archive: {reason}',
    'Make it with `docker save`, `skopeo copy ... oci-archive:FILE` or `podman save`.',
  ),
  ROOTFS_ARCHIVE_UNSAFE: entry(
    'invalid_argument',
    'layer {layer} of the image holds the entry {entry}, which is refused: {reason}',
    'Build the image again without that entry; do not use an image that you do not trust.',
  ),
  ROOTFS_DIGEST_MISMATCH: entry(
    'invalid_argument',
    '{what} of the image has digest {actual}, but {expected} is recorded',
    'The archive is damaged or was changed: get it again.',
  ),
  ROOTFS_TOO_LARGE: entry(
    'resource_exhausted',
    '{what} of the image has more than {limit}',
    'Use a smaller image.',
  ),
  ROOTFS_UNPACK_FAILED: entry(
    'internal',
    'unpacking {what} into {directory} failed: {reason}',
    'Check the space left in {directory} and that its file system is a local Linux one (ext4, xfs, btrfs).',
  ),

  // --- devices -------------------------------------------------------------------------------------------------
  DEVICE_MISSING: entry(
    'not_found',
    'device {device} of container {container} cannot be opened: {reason}',
    'Name a block device or disk image that exists on the host.',
  ),
  DEVICE_KIND: entry(
    'invalid_argument',
    'device {device} of container {container} is {kind}, which is no disk',
    'Name a block device, or a disk image that is a regular file.',
  ),
  DEVICE_CHANGED: entry(
    'failed_precondition',
    'device {device} of container {container} is {found}, where {wanted} was announced',
    'Something else has taken its place since the container was described: check the host, then describe it anew.',
  ),
  DEVICE_IN_USE: entry(
    'failed_precondition',
    'device {device} of container {container} is in use: the host has it mounted or claimed, or another sandbox writes to it',
    'Unmount it, or hand it over for reading only. A privileged container of Kubernetes asks for every device of the host unless containerd says privileged_without_host_devices = true.',
  ),
  DEVICE_OPEN_FAILED: entry(
    'failed_precondition',
    'device {device} of container {container} cannot be opened: {reason}',
    'Hand it over for reading only if it cannot be written; else see the named errno. Its mode and owner need not be changed.',
  ),
  DEVICE_PLUG_FAILED: entry(
    'failed_precondition',
    'device {device} of container {container} cannot be handed to the virtual machine: {reason}',
    'See the reason; a lock that cannot be had means that another machine uses the same disk.',
  ),
  DEVICE_VOLUMES_DISABLED: entry(
    'failed_precondition',
    'volume {source} of container {container} is a disk, and disable_block_device_use forbids these',
    'Set disable_block_device_use = false in the configuration, or mount a directory.',
  ),
  VSOCK_MISSING: entry(
    'failed_precondition',
    'agent_channel = "vsock" needs {path}, which this host does not have',
    'Run `modprobe vhost_vsock`, or set agent_channel = "serial" or "auto".',
  ),
  VSOCK_FAILED: entry(
    'failed_precondition',
    '{path} gives the machine no address: {reason}',
    'See the named errno; EADDRINUSE means that all that were tried are taken. agent_channel = "serial" does without.',
  ),
  VFIO_DISABLED: entry(
    'failed_precondition',
    'host device {device} of container {container} has no place in the machine: hot_plug_vfio is "no-port"',
    'Set hot_plug_vfio = "root-port", or cold_plug_vfio for the devices of a pod’s first container.',
  ),
  VFIO_GROUP_SHARED: entry(
    'failed_precondition',
    'IOMMU group {group}, of which container {container} asks for a device, is shared with the host: driver {driver} has {address}',
    'Bind every function of the group to vfio-pci: driverctl set-override {address} vfio-pci. Its node’s mode need not be changed.',
  ),
  VFIO_NO_CDEV: entry(
    'failed_precondition',
    'host device {device} of container {container} has no character device of its own: it could be handed over by the legacy VFIO container only, whose group node the VMM’s user would have to open',
    'Use a kernel with CONFIG_VFIO_DEVICE_CDEV and CONFIG_IOMMUFD (6.6 or later), and bind the device to vfio-pci.',
  ),
  VFIO_NO_IOMMU: entry(
    'failed_precondition',
    'host device {device} of container {container} has no IOMMU between it and the memory of the host',
    'Enable the IOMMU (VT-d, AMD-Vi) in the firmware and by the kernel parameters intel_iommu=on or amd_iommu=on. vfio-noiommu is not taken: the guest could write to any memory.',
  ),
  VFIO_NO_IOMMUFD: entry(
    'failed_precondition',
    'the devices that container {container} asks for need /dev/iommu, which this host does not have',
    'Run `modprobe iommufd`, or use a kernel with CONFIG_IOMMUFD (6.2 or later). The legacy VFIO container is not taken in its place.',
  ),
  TPM_MISSING: entry(
    'failed_precondition',
    'enable_tpm needs the program {path}, which does not exist',
    'Install the package swtpm, correct swtpm_path, or set enable_tpm = false.',
  ),
  TPM_FAILED: entry(
    'internal',
    'the TPM emulator {path} did not start: {reason}',
    'Try it by hand (swtpm socket --tpm2 --tpmstate dir=DIR --ctrl type=tcp,port=2322), or set enable_tpm = false.',
  ),
  DIRECT_VOLUME_INVALID: entry(
    'invalid_argument',
    'the direct volume described in {path} cannot be used: {reason}',
    'Correct the description, or remove it with its directory; the CSI driver that wrote it names the volume.',
  ),

  // --- network -----------------------------------------------------------------------------------------------
  NETNS_INVALID: entry(
    'failed_precondition',
    'the network namespace {path} cannot be used: {reason}',
    'It must be a network namespace that exists while the pod starts; look at what made it, normally containerd and its CNI plugins.',
  ),
  NETNS_HOST: entry(
    'failed_precondition',
    'the pod asks for the network of the host: {how}',
    'Give the pod a network of its own (without hostNetwork: true or --network host), or run it with another runtime: a virtual machine cannot share the network of the host.',
  ),
  HOOK_FAILED: entry(
    'failed_precondition',
    'the OCI hook {path}, which makes the network of the container, failed: {reason}',
    "See the hook's own words, and the log of the client that asked for it (dockerd or nerdctl).",
  ),
  NETWORK_TUN_MISSING: entry(
    'failed_precondition',
    'the host has no {path}, which connects a pod to its virtual machine',
    'Run modprobe tun, and name tun in /etc/modules-load.d to have it after a boot; in a container pass the device in.',
  ),
  NETWORK_REDIRECT_FAILED: entry(
    'failed_precondition',
    'interface {name} of the pod cannot be connected to its virtual machine: {reason}',
    'The kernel needs sch_ingress, cls_u32 and act_mirred (modprobe them), and no other program may have put an ingress queue on this interface.',
  ),
  NETWORK_INTERFACE_UNSUPPORTED: entry(
    'unimplemented',
    'interface {name} of the pod is of kind {kind}, which carries no Ethernet frames',
    'Use a network plugin that makes Ethernet interfaces (veth, macvlan, a physical one); tunnels belong on the host.',
  ),
  NETWORK_TOO_MANY: entry(
    'resource_exhausted',
    'the pod has {count} network interfaces; the limit is {most}',
    'Give the pod fewer networks.',
  ),
  // --- agent ---------------------------------------------------------------------------------------------------
  GUEST_BUILD_TOOL: entry(
    'failed_precondition',
    "cannot build the guest's programs: there is no program {program}",
    'Install the compilers: apt-get install gcc libc6-dev quickjs libquickjs.',
  ),
  GUEST_BUILD_FAILED: entry(
    'internal',
    "building the guest's programs failed at {step}: {output}",
    'Check that gcc, libc6-dev, quickjs and libquickjs are those of Debian 13, then run the build again.',
  ),
  AGENT_UNREACHABLE: entry(
    'deadline_exceeded',
    'the guest agent behind {endpoint} did not answer within {seconds} s ({reason})',
    'Look at the guest console in the report or log: the guest may not have booted, or its image has no agent. A slow host needs a longer dial_timeout.',
  ),
  AGENT_DIED: entry(
    'unavailable',
    'the connection to the guest agent behind {endpoint} is gone ({reason})',
    'The machine or its agent ended; its log and console tail say why. Remove the container and start it again.',
  ),
  AGENT_NOT_READY: entry(
    'failed_precondition',
    'the guest agent behind {endpoint} was called before it answered',
    'Wait until the sandbox is running.',
  ),
  AGENT_MISBEHAVED: entry(
    'internal',
    'the guest agent answered {method} against the protocol: {reason}',
    'Do not trust this guest: stop the sandbox. If you built the guest image yourself, check its agent.',
  ),
  SECCOMP_PROFILE: entry(
    'invalid_argument',
    'seccomp profile {path} cannot be used: {reason}',
    'Give a JSON file as docker and Kubernetes use it: defaultAction, and syscalls with names and action.',
  ),
  MOUNT_TYPE: entry(
    'invalid_argument',
    'mount {destination} of container {container} has the type {type}, which the guest cannot mount',
    'Mount it on the host and give its directory as a bind mount; proc, sysfs, tmpfs, devpts, mqueue and cgroup are the guest’s own.',
  ),
  MOUNT_PROPAGATION: entry(
    'invalid_argument',
    'mount {destination} of container {container} asks for {propagation} propagation (Bidirectional): what a virtual machine mounts cannot appear on the host',
    'Use HostToContainer (rslave), which lets later mounts of the host appear in the container, or none.',
  ),
  DEVICE_UNSUPPORTED: entry(
    'invalid_argument',
    'device {path} ({device}) of container {container} belongs to the host’s kernel: its number means nothing in the guest',
    'Remove it, or make the container privileged: it then gets every device of its own virtual machine, and none of the host. A whole PCI device can be given: bind it to vfio-pci and ask for its /dev/vfio/GROUP.',
  ),
  SPEC_LIMIT: entry(
    'invalid_argument',
    'container {container} asks for {count} {what}; the limit is {limit}',
    'Ask for fewer: put files into one volume instead of mounting each.',
  ),
  SPEC_PATH: entry(
    'invalid_argument',
    'container {container} has a {what} that cannot be used: {path}',
    'Use an absolute path of at most 4095 bytes without NUL.',
  ),
  SPEC_USER_NAMESPACE: entry(
    'unimplemented',
    'container {container} asks for a user namespace of the host, whose ids do not exist in the guest',
    'Leave it away (hostUsers: false, userns-remap): the container’s root is root of a virtual machine only.',
  ),
  OCI_SPEC_INVALID: entry(
    'invalid_argument',
    'the OCI specification has {found} at {path}, where {expected} belongs',
    'Correct the config.json of the bundle, or report it to the tool that wrote it.',
  ),

  // --- sandbox, ledger, shim -----------------------------------------------------------------------------------

  PROCESS_STAYS: entry(
    'internal',
    'the {name} process {pid} does not end, though it was killed',
    'It hangs in the kernel (see /proc/{pid}/stack); run `kata-ts gc` once it is gone.',
  ),
  RELEASE_FAILED: entry(
    'internal',
    'could not release everything: {held} still held ({reason})',
    'Run `kata-ts gc` once the cause is gone; what is still held stays written down.',
  ),
  ID_INVALID: entry(
    'invalid_argument',
    'identifier {id} is not valid',
    'Use 1 to 76 letters, digits, dots, dashes and underscores, beginning with a letter or digit.',
  ),
  SHIM_RIGHTS: entry(
    'internal',
    'the shim has rights that it should have dropped: {found}',
    'Start it by its `start` action; if that is what was done, report this.',
  ),
  SHIM_USAGE: entry(
    'invalid_argument',
    'the shim was called in a way it does not know: {problem}',
    'containerd and kata-ts call the shim; by hand: containerd-shim-kata-ts-v2 -namespace NS -id ID start|delete, or -v.',
  ),
  BUNDLE_INVALID: entry(
    'invalid_argument',
    'bundle {bundle} cannot be used: {problem}',
    'A bundle is a directory with an OCI config.json; the client of the shim makes it.',
  ),
  POD_SHIM_GONE: entry(
    'unavailable',
    'container {id} has no pod to go into: the shim of pod {pod} does not answer',
    'The pod has ended or its shim was killed: remove the pod and run it again.',
  ),
  TASK_STATE: entry(
    'failed_precondition',
    'cannot {action} {id}: it is {state}',
    'Look at its state with `kata-ts ps`; a {state} process takes no {action}.',
  ),
  TASK_NOT_FOUND: entry('not_found', 'there is no {id}', 'List what there is with `kata-ts ps`.'),
  TASK_EXISTS: entry('already_exists', '{id} exists already', 'Choose another name, or remove it first.'),
  TASK_UNSUPPORTED: entry(
    'unimplemented',
    'kata-ts has no {action}',
    'Leave it out: a machine cannot be saved to disk yet.',
  ),
  STDIO_INVALID: entry(
    'invalid_argument',
    'standard stream {uri} cannot be used: {problem}',
    'Use an empty string, the path of a FIFO, or a file:// URI with an absolute path.',
  ),
  SANDBOX_TOO_LARGE: entry(
    'resource_exhausted',
    'the pod needs a machine of {needed} MiB, {own} MiB of its own and the rest for its containers; the most is {most} MiB',
    'Lower the memory limits of its containers or default_memory, or raise default_maxmemory (0 means the memory of the host).',
  ),
  SANDBOX_DIED: entry(
    'unavailable',
    'sandbox {id} died: {reason}',
    'The machine and all that it held have been removed; the console tail and the shim log say more: {tail}',
  ),
  RUN_DIR_FULL: entry(
    'resource_exhausted',
    'no space is left for the state of sandbox {id} in {path}',
    'Make room there or give another --run-dir; what the start had taken has been released.',
  ),
  SANDBOX_NOT_RUNNING: entry(
    'not_found',
    'there is no running sandbox {id}',
    'See `kata-ts ps` for what runs; a sandbox that is just being started can be asked about a moment later.',
  ),
  SANDBOX_EXISTS: entry(
    'already_exists',
    'the state directory {path} exists',
    'Another sandbox has this name, or a crash left it: `kata-ts gc` removes what is dead.',
  ),
  LEDGER_KIND_UNKNOWN: entry(
    'internal',
    'ledger {path} names an unknown holding {kind}',
    'It was written by another version of kata-ts: run `kata-ts gc` of that version.',
  ),
  FAILPOINT: entry('internal', 'failpoint {name}: a fault that was asked for', 'Unset KATA_TS_FAILPOINTS.'),
  FAILPOINT_INVALID: entry(
    'invalid_argument',
    '{variable} has an entry {entry} that is no failpoint',
    'Write [serve/|delete/|gc/]POINT:KIND=fail|hang|kill, POINT being before-take, after-take, before-release or after-release.',
  ),

  // --- command line --------------------------------------------------------------------------------------------
  OPTION_INVALID: entry('invalid_argument', '{option} does not take {value}', 'Allowed: {allowed}.'),
  OPTION_CONFLICT: entry('invalid_argument', '{options} cannot be used together: {reason}', '{remedy}'),
  NAME_INVALID: entry(
    'invalid_argument',
    '{name} is not a valid {what} name',
    'Use 1 to {limit} letters and digits, separated by single dots, dashes or underscores.',
  ),
  DEVICE_OPTION_INVALID: entry(
    'invalid_argument',
    '--device {device}: {reason}',
    'Write --device SRC, SRC:DST or SRC:DST:r, where SRC is a device or disk image on the host and DST a path in the container.',
  ),
  VOLUME_INVALID: entry(
    'invalid_argument',
    'volume {volume} cannot be used: {reason}',
    'Write -v /host/path:/container/path or -v /host/path:/container/path:ro.',
  ),
  VOLUME_SOURCE_MISSING: entry(
    'not_found',
    'the source {source} of volume {volume} does not exist on the host',
    'Create it first: a missing source is never created for you.',
  ),
  USER_UNKNOWN: entry(
    'invalid_argument',
    'user {user} is not known in the container (looked in its {file})',
    'Use a name that exists there, or numbers such as 1000:1000.',
  ),
  CONTAINER_EXISTS: entry(
    'already_exists',
    'a container named {name} exists in namespace {namespace}',
    'Choose another --name, or remove it with `kata-ts rm {name}`.',
  ),
  CONTAINER_NOT_FOUND: entry(
    'not_found',
    'there is no container {name} in namespace {namespace}',
    'See `kata-ts ps` for the names that exist.',
  ),
  CONTAINER_NOT_RUNNING: entry(
    'failed_precondition',
    'container {name} is {status}, not running',
    'Only a running container can do this; start a new one with `kata-ts run`.',
  ),
  CONTAINER_RUNNING: entry(
    'failed_precondition',
    'container {name} is {status}',
    'End it with `kata-ts kill {name}`, or use `kata-ts rm --force {name}`.',
  ),
  RECORD_UNREADABLE: entry(
    'internal',
    'the record {path} of a container cannot be read ({reason})',
    'Remove it with `kata-ts rm --force`, then run `kata-ts gc`.',
  ),
  IMAGE_UNKNOWN: entry(
    'not_found',
    'there is no guest image {id} in {cacheDir}',
    'See `kata-ts image list` for the ids that exist.',
  ),
  LOG_NOT_KEPT: entry(
    'not_found',
    'the output of container {name} was not kept: it went to the terminal that ran it',
    'Only containers started with --detach have logs.',
  ),
  USAGE: entry('invalid_argument', '{problem}', 'See `{command} --help`.'),
  NOT_A_TERMINAL: entry(
    'failed_precondition',
    '--tty with --interactive needs a terminal, and standard input is none',
    'Leave --tty away when input comes from a pipe or a file.',
  ),
  COMMAND_NOT_FOUND: entry(
    'not_found',
    'there is no command {command} in the container ({reason})',
    'Check the spelling, the PATH of the container, and that the interpreter of a script or program is there too.',
  ),
  COMMAND_NOT_EXECUTABLE: entry(
    'failed_precondition',
    '{command} in the container cannot be executed ({reason})',
    'Check its mode (`chmod +x`) and that it is a program for this kind of machine.',
  ),
  CONTAINER_AMBIGUOUS: entry(
    'invalid_argument',
    '{count} containers begin with {name}',
    'Give more of the id: `kata-ts ps` shows them whole.',
  ),
  CONTAINER_FOREIGN: entry(
    'failed_precondition',
    'container {name} belongs to another client of the runtime and cannot be removed here',
    'Remove it where it was made: with ctr, Docker or Kubernetes.',
  ),
  SHIM_START_FAILED: entry(
    'unavailable',
    'the shim of container {id} did not start: {reason}',
    'Run again with --log-level debug to see its log.',
  ),
  SHIM_DELETE_FAILED: entry(
    'internal',
    'what container {id} held could not be released: {reason}',
    'Run `kata-ts gc` once the cause is gone.',
  ),
  SHIM_DIED: entry(
    'unavailable',
    'the shim of container {id} died while the container ran',
    'All it held was released. The kernel log (`dmesg`) may tell who killed it.',
  ),
  SHIM_UNREACHABLE: entry(
    'unavailable',
    'the shim of container {id} does not answer at {address} ({reason})',
    'If it is gone, `kata-ts gc` releases what it left.',
  ),
  SHIM_CALL_FAILED: entry(
    'internal',
    '{method} of container {id} failed with {status}: {reason}',
    'Run again with --log-level debug to see the log of the shim.',
  ),
} satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue

export type ErrorFields = Readonly<Record<string, string | number | boolean>>

/** An error of the catalogue. `message` is `[CODE] sentence. remedy`, because tools typically show only that. */
export class KataError extends Error {
  readonly code: ErrorCode
  readonly fields: ErrorFields
  readonly remedy: string
  readonly status: StatusName
  /** The sentence with its fields filled in, without code and remedy. */
  readonly rawMessage: string

  constructor(code: ErrorCode, fields: ErrorFields = {}, options: { cause?: unknown } = {}) {
    const { sentence, remedy, status } = catalogue[code]
    const rawMessage = fill(sentence, fields)
    const filledRemedy = fill(remedy, fields)
    super(`[${code}] ${rawMessage}. ${filledRemedy}`, options)
    this.name = 'KataError'
    this.code = code
    this.fields = fields
    this.status = status
    this.rawMessage = rawMessage
    this.remedy = filledRemedy
  }
}

function fill(template: string, fields: ErrorFields): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in fields ? String(fields[name]) : whole,
  )
}

/** The text a person sees for any thrown value. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
