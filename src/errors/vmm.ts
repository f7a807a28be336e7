/** The VMM and its accelerator. */
import { entry } from './entry.ts'

export const vmmErrors = () => ({
  VMM_MISSING: entry(
    'failed_precondition',
    'the VMM program {path} {reason}',
    'Install {install}, or correct path= in the configuration.',
  ),
  VMM_TOO_OLD: entry(
    'failed_precondition',
    '{path} is {name} {version}; kata-ts needs {minimum} or later',
    'Install a newer {install}, or name one with path= in the configuration.',
  ),
  VMM_OPTION_INVALID: entry(
    'invalid_argument',
    'the virtual machine cannot be described to the VMM: {reason}',
    'Correct the named value in the configuration or annotation.',
  ),
  VMM_DISK_IMAGE: entry(
    'failed_precondition',
    'the guest cannot boot from the disk image {path}: it {reason}',
    'Correct image= in the configuration: it names a raw disk image in a regular file.',
  ),
  VMM_EXITED: entry(
    'unavailable',
    'the VMM {program} of sandbox {sandbox} ended ({exit}): {tail}',
    'Its last words say why; nothing of the sandbox is left, and it can be started again.',
  ),
  VMM_START_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM of sandbox {sandbox} did not answer within {seconds} s: {tail}',
    'Its last output is quoted; if there is none, the host may be too busy: start again later. VFIO devices and enable_mem_prealloc touch all memory first: raise dial_timeout for them.',
  ),
  VMM_PROTOCOL: entry(
    'internal',
    'the VMM broke its own protocol: {reason}',
    'The VMM was killed. A compromised or wrong program behaves like this: keep its log, and check path= in the configuration.',
  ),
  VMM_DISCONNECTED: entry(
    'unavailable',
    'the connection to the VMM ended during {command}',
    'The VMM exited or was killed; the error of its sandbox says more.',
  ),
  VMM_COMMAND_FAILED: entry(
    'internal',
    'the VMM refused {command}: {reason}',
    'See the reason. While the sandbox runs, vmm.log in its state directory may say more.',
  ),
  VMM_COMMAND_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM did not answer {command} within {seconds} s',
    'The VMM hangs or the host is overloaded: stop the sandbox if this lasts. Plugging a VFIO device into a large machine takes long: raise create_container_timeout.',
  ),
  VMM_NO_FREE_PORT: entry(
    'resource_exhausted',
    'no PCIe root port is free for {device}: all {ports} are taken',
    'Raise pcie_root_port in the configuration and start the sandbox again.',
  ),
  VMM_NO_FREE_DRIVE: entry(
    'resource_exhausted',
    'no drive of {vmm} is free for {device}: all {drives} are taken',
    'Give the pod fewer containers and disks, or use another VMM.',
  ),
  VMM_NO_HOT_NICS: entry(
    'unimplemented',
    '{vmm} takes network cards only before the machine runs',
    'Use a client that makes the network before the sandbox (containerd, Kubernetes), or another VMM.',
  ),
  VMM_NO_VFIO: entry(
    'failed_precondition',
    'host device {device} of container {container} cannot be handed to the machine: kata-ts does not support VFIO with {vmm}',
    'Use {possible} for containers with VFIO devices.',
  ),
  VMM_UNPLUG_REFUSED: entry(
    'failed_precondition',
    '{device} could not be unplugged from the running machine: {reason}',
    'Remove it again once the guest no longer uses it, or end the sandbox.',
  ),
  VMM_NO_HUGEPAGES: entry(
    'resource_exhausted',
    'the machine needs {needed} huge pages of {pageKiB} KiB for {memoryMiB} MiB of memory, and {free} are free',
    'Reserve more (`sysctl vm.nr_hugepages=...`, or hugepages= on the kernel command line), or set enable_hugepages = false.',
  ),
  VMM_MEMORY_SLOTS: entry(
    'resource_exhausted',
    'the machine cannot get {size} MiB more: all {slots} slots for memory are taken',
    'Raise memory_slots or default_memory in the configuration, or set enable_virtio_mem, then start the pod again.',
  ),
  VMM_MEMORY_REFUSED: entry(
    'resource_exhausted',
    'the guest did not take {size} MiB of memory: it {answer}',
    'Raise default_memory, so that less is added later. A kernel of your own needs memory hot-plug by ACPI or virtio-mem.',
  ),
  VMM_GUEST_PANICKED: entry(
    'unavailable',
    'the guest kernel of sandbox {sandbox} panicked: {tail}',
    'The end of the console names the cause: often a kernel without a needed driver, a damaged initrd, or too little memory.',
  ),
  VMM_GUEST_SHUT_DOWN: entry(
    'unavailable',
    'the guest of sandbox {sandbox} {how}: {tail}',
    'Its last words say why; nothing of the sandbox is left, and it can be started again.',
  ),
  VMM_INTERNAL_ERROR: entry(
    'internal',
    'the VMM of sandbox {sandbox} stopped the guest with an internal error: {tail}',
    'With KVM, the processor or an outer hypervisor cannot run this guest: set accelerator = "tcg" (emulation, no security boundary) or "auto".',
  ),
  VMM_GUEST_SILENT: entry(
    'deadline_exceeded',
    'the guest of sandbox {sandbox}, which ran with {accelerator} ({reason}), said nothing within {seconds} s; its console ends with: {tail}',
    "If the guest is only slow (a busy host, or tcg), raise dial_timeout; `kata-ts check` says why KVM is not used. Otherwise check kernel= and initrd=. A guest with Kata's agent needs /dev/vhost-vsock: `modprobe vhost_vsock`.",
  ),
  KVM_UNUSABLE: entry(
    'failed_precondition',
    'accelerator = "kvm" cannot be used: {reason}',
    'If the CPU shows vmx or svm, load kvm_intel or kvm_amd; if not, enable virtualization in the firmware or the outer hypervisor. With QEMU you can set accelerator = "tcg" instead: emulation, which is slow and no security boundary.',
  ),
})
