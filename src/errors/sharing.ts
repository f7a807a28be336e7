/** The share with the guest, and root file systems of containers. */
import { entry } from './entry.ts'

export const sharingErrors = () => ({
  SHARE_SOURCE_MISSING: entry(
    'not_found',
    'mount source {source} of container {container} cannot be opened ({reason})',
    'Create it on the host first, or correct the mount.',
  ),
  SHARE_SOURCE_SILENT: entry(
    'unavailable',
    'mount source {source} of container {container} has not answered for {seconds} s',
    'The server of its file system is gone: bring it back, or unmount it (`umount --lazy`), and start the container again.',
  ),
  SHARE_SOURCE_KIND: entry(
    'invalid_argument',
    'mount source {source} of container {container} is a {kind}, which cannot be shown in a virtual machine',
    'Mount a directory or a regular file. A program of the host that listens at a socket is reached by the network instead.',
  ),
  SHARE_SOURCE_HIDDEN: entry(
    'failed_precondition',
    'container {container} mounts a path below {point}, which was mounted after its pod began and cannot be shown to the pod’s shim ({errno})',
    'Make the mount above it shared before pods start (`mount --make-rshared /`, as systemd does; with CRI-O, skip_mount_home = "true" in storage.conf), or run the pod again.',
  ),
  SHARE_FOLLOWS_READONLY: entry(
    'failed_precondition',
    '{source} cannot be mounted read-only in container {container} with later mounts of the host (HostToContainer): a virtiofsd that is root would let the guest write to them',
    'Set `mountPropagation: None` for this mount, or leave out what needs a virtiofsd that is root: see virtio_fs_privilege.',
  ),
  SOURCE_LINK: entry(
    'invalid_argument',
    '{source} cannot be used: {link} in its path is a symbolic link that is not followed ({reason})',
    'Name the path that the link leads to, if that is what you mean, or replace the link by a bind mount.',
  ),
  SHARE_CALLER: entry(
    'failed_precondition',
    '{source} cannot be shown in container {container} with only the rights of its user: no unprivileged virtiofsd can serve it',
    'Use a VMM with a shared file system and a source that can be idmapped (not NFS, FUSE or an overlay), or have root run the container.',
  ),
  USER_NAMESPACE_REFUSED: entry(
    'failed_precondition',
    'the host lets nobody make a user namespace, by which files of its users are shown to a container ({reason})',
    'Set user.max_user_namespaces above 0 (`sysctl -w user.max_user_namespaces=15000`, and a file in /etc/sysctl.d to keep it), on a kernel that has user namespaces.',
  ),
  SHARE_SOURCE_CHANGED: entry(
    'failed_precondition',
    '{source} was replaced: it is no longer the file or directory that container {container} was to mount',
    'Do not move it while the container starts. A container that is started again needs the same files that it was created with: put them back, or create a new container.',
  ),
  SHARE_NO_VOLUMES: entry(
    'failed_precondition',
    'container {container} wants to write {source}, and its pod was started without a share for that',
    'Mount it read-only, or give the first container of the pod a writable volume too: the share is made when the pod starts.',
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
    '{source} cannot be shown in container {container}: the guest has no shared file system, and only files and directories mounted read-only are copied',
    'Mount it read-only, use a block device or an emptyDir, or set shared_fs = "virtio-fs", which QEMU and Cloud Hypervisor have.',
  ),
  SHARE_COPY_TOO_LARGE: entry(
    'invalid_argument',
    '{source} is too large to be copied for container {container}: the limit is {entries} entries and {mebibytes} MiB',
    'Put it into the image or on a block device, or set shared_fs = "virtio-fs", which QEMU and Cloud Hypervisor have.',
  ),
  ROOTFS_LAYERS: entry(
    'invalid_argument',
    'the layers of container {container} cannot be put together in the guest: {reason}',
    'Change the settings of the erofs snapshotter in containerd’s configuration as the reason says, or use another snapshotter.',
  ),
  ROOTFS_DISK_FAILED: entry(
    'internal',
    'the root file system of container {container} cannot be copied to a disk: {reason}',
    'See the reason. The disk lies below /var/lib/kata-ts, is as large as the image with the holes in its files, and leaves a tenth of the free space.',
  ),
  ROOTFS_DISK_TOOL: entry(
    'failed_precondition',
    '{tool} was not found in {directories}',
    'Install the packages e2fsprogs, erofs-utils and coreutils, which make disks of root file systems.',
  ),
  EMPTYDIR_DISK_FAILED: entry(
    'internal',
    'the disk of the emptyDir {directory} cannot be made: {reason}',
    'See the reason. The disk lies in that directory. emptydir_mode = "shared-fs" needs no disk.',
  ),
  SHARE_MOUNT_FAILED: entry(
    'internal',
    'mount of type {type} for container {container} failed with {errno} in {call}',
    'Check that the kernel has that file system and that its directories exist. `dmesg` may say more. An overlay for an unprivileged virtiofsd needs Linux 5.19 or later, and fails with EINVAL on an older kernel. Use a newer one, or let virtiofsd be root (virtio_fs_privilege = "root").',
  ),
  SHARE_NOT_IDMAPPABLE: entry(
    'failed_precondition',
    '{source} cannot be shown to container {container} by an unprivileged virtiofsd: {what} cannot be idmapped ({errno})',
    'Use a directory on ext4, xfs, btrfs, or tmpfs on Linux 6.3 or later (not NFS, FUSE, overlay or proc), with nothing else mounted below it. Or let virtiofsd be root: virtio_fs_privilege = "auto" for such shares of the pod’s first container (in Kubernetes that is pause, without a hostPath), "root" for all; an annotation sets it for one pod.',
  ),
  SHARE_ID_BEYOND: entry(
    'failed_precondition',
    'container {container} runs with id {id}, which is not in the id map of its pod’s running virtiofsd',
    'Use an id up to 2147483647, or make this the first container of its pod, whose ids are always mapped.',
  ),
  SHARE_CONNECTION_TAKEN: entry(
    'failed_precondition',
    'the connection to the share daemon has already been handed over',
    'One share serves one virtual machine: make another share for the other machine.',
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
    '{path} cannot be read as an image or root file system: {reason}',
    'Name an existing one: an OCI archive, docker archive or OCI layout (--image, `load`), a tar of files (`import`), or a directory (--rootfs).',
  ),
  ROOTFS_ARCHIVE_INVALID: entry(
    'invalid_argument',
    '{path} is not a usable image archive: {reason}',
    'Make it with `docker save`, `podman save`, or `skopeo copy ... oci-archive:FILE` or `oci:DIRECTORY`.',
  ),
  ROOTFS_TAR_INVALID: entry(
    'invalid_argument',
    '{path} is not a usable tar of files: {reason}',
    'Make it with `kata-ts export`, `docker export` or tar. Images, as of `docker save`, are for `kata-ts load`.',
  ),
  ROOTFS_ARCHIVE_TAG: entry(
    'invalid_argument',
    '{path} {problem}; its tags are: {tags}',
    'Append one of them to the file: --image FILE:TAG.',
  ),
  ROOTFS_ARCHIVE_UNSAFE: entry(
    'invalid_argument',
    'layer {layer} of the image contains the entry {entry}, which is refused: {reason}',
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
})
