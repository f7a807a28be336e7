/** Devices of the host in the machine. */
import { entry } from './entry.ts'

export const devicesErrors = () => ({
  DEVICE_MISSING: entry(
    'not_found',
    'device {device} of container {container} cannot be opened: {reason}',
    'Name a device or disk image that exists on the host.',
  ),
  DEVICE_KIND: entry(
    'invalid_argument',
    'device {device} of container {container} is {kind}, not a disk',
    'Name a block device, or a disk image that is a regular file.',
  ),
  DEVICE_CHANGED: entry(
    'failed_precondition',
    'device {device} of container {container} is {found}, but its specification says {wanted}',
    'The device changed after the specification was written: check the host, then create the container again.',
  ),
  DEVICE_IN_USE: entry(
    'failed_precondition',
    'device {device} of container {container} is in use: {holder}',
    'Stop the program that uses it. A mounted disk can be unmounted, or handed over read-only. A privileged container of Kubernetes asks for every device of the host unless containerd says privileged_without_host_devices = true.',
  ),
  DEVICE_OPEN_FAILED: entry(
    'failed_precondition',
    'device {device} of container {container} cannot be opened: {reason}',
    'See the named errno. If the device cannot be written, ask for it read-only. Its mode and owner do not matter: root opens it.',
  ),
  DEVICE_PLUG_FAILED: entry(
    'failed_precondition',
    'device {device} of container {container} cannot be handed to the virtual machine: {reason}',
    'See the reason. A lock that is taken means that another machine uses the same disk.',
  ),
  DEVICE_VOLUMES_DISABLED: entry(
    'failed_precondition',
    'volume {source} of container {container} is a disk, and disable_block_device_use forbids disks',
    'Set disable_block_device_use = false in the configuration, or mount a directory.',
  ),
  DISK_UNMOUNTABLE: entry(
    'invalid_argument',
    'the guest cannot mount a disk of container {container}: {reason}',
    'EINVAL means that the disk holds another file system, or a damaged one. Check it with the tools of that file system, in a throw-away machine if you do not trust it.',
  ),
  VSOCK_MISSING: entry(
    'failed_precondition',
    'agent_channel = "vsock" needs {path}, which this host does not have',
    'Run `modprobe vhost_vsock`, or set agent_channel = "serial" or "auto".',
  ),
  VSOCK_FAILED: entry(
    'failed_precondition',
    '{path} gave the machine no vsock address: {reason}',
    'See the named errno; EADDRINUSE means that all addresses that were tried are taken. agent_channel = "serial" needs no address.',
  ),
  VFIO_DISABLED: entry(
    'failed_precondition',
    'host device {device} of container {container} has no place in the machine: hot_plug_vfio is "no-port"',
    'Set hot_plug_vfio = "root-port", or cold_plug_vfio for the devices of a pod’s first container.',
  ),
  VFIO_GROUP_SHARED: entry(
    'failed_precondition',
    'IOMMU group {group} is shared with the host: container {container} asks for a device of it, and driver {driver} has {address}',
    'Bind every function of the group to vfio-pci: driverctl set-override {address} vfio-pci.',
  ),
  VFIO_NO_CDEV: entry(
    'failed_precondition',
    'host device {device} of container {container} has no character device for VFIO; kata-ts does not use the legacy VFIO container, whose group node the VMM’s user would have to open',
    'Use a kernel with CONFIG_VFIO_DEVICE_CDEV and CONFIG_IOMMUFD (6.6 or later), and bind the device to vfio-pci.',
  ),
  VFIO_NO_IOMMU: entry(
    'failed_precondition',
    'host device {device} of container {container} has no IOMMU between it and the memory of the host',
    'Enable the IOMMU (VT-d, AMD-Vi) in the firmware and by the kernel parameters intel_iommu=on or amd_iommu=on. kata-ts does not use vfio-noiommu, with which the guest could write to any memory.',
  ),
  VFIO_NO_IOMMUFD: entry(
    'failed_precondition',
    'the devices that container {container} asks for need /dev/iommu, which this host does not have',
    'Run `modprobe iommufd`, or use a kernel with CONFIG_IOMMUFD (6.2 or later). kata-ts does not fall back to the legacy VFIO container.',
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
    'Correct the description, or remove it with its directory. The CSI driver of the volume wrote it.',
  ),
  DIRECT_VOLUME_SUBPATH: entry(
    'invalid_argument',
    '{source} is a part (subPath) of the direct volume {volume}, whose file system only the guest mounts',
    'Mount the whole volume, without subPath and subPathExpr, and let the container use a directory in it.',
  ),
  DIRECT_VOLUME_MISSING: entry(
    'not_found',
    'there is no direct volume for {volume}',
    'Name the path of the volume as it was added: `kata-ts direct-volume add --volume-path PATH --mount-info JSON`.',
  ),
  DIRECT_VOLUME_UNUSED: entry(
    'failed_precondition',
    'no container of a running sandbox has the direct volume {volume}',
    'Start a container with the volume first: only its guest mounts the file system, and can measure or grow it.',
  ),
  DIRECT_VOLUME_SIZE: entry(
    'invalid_argument',
    'the direct volume {volume} cannot have {size} bytes: {reason}',
    'Grow the block device or disk image on the host first. Then give its size in bytes: a multiple of 512, and not less than before.',
  ),
  DIRECT_VOLUME_NOT_GROWN: entry(
    'failed_precondition',
    'the guest cannot grow the file system of the direct volume {volume}: {reason}',
    'The disk has its new size already. Remove the cause and run the command again, or grow the file system with its own tool while no container uses it.',
  ),
})
