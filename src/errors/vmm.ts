/** The VMM and its accelerator. */
import { type CatalogueEntry, entry } from './entry.ts'

export const vmmErrors = {
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
    'Its last words say why; nothing of the sandbox is left, and it can be started again.',
  ),
  VMM_START_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM of sandbox {sandbox} did not answer within {seconds} s: {tail}',
    'Its last words are quoted; if there are none, the host is too busy: wait and start again. With VFIO devices or enable_mem_prealloc all memory is touched first: raise dial_timeout.',
  ),
  VMM_PROTOCOL: entry(
    'internal',
    'the VMM broke its own protocol: {reason}',
    'It was killed. A compromised or foreign VMM program does this; keep its log and check path= in the configuration.',
  ),
  VMM_DISCONNECTED: entry(
    'unavailable',
    'the connection to the VMM ended during {command}',
    'The VMM exited or was killed; the error of its sandbox says more.',
  ),
  VMM_COMMAND_FAILED: entry(
    'internal',
    'the VMM refused {command}: {reason}',
    'See the reason; while the sandbox lives, vmm.log in its state directory may tell more.',
  ),
  VMM_COMMAND_TIMEOUT: entry(
    'deadline_exceeded',
    'the VMM did not answer {command} within {seconds} s',
    'The VMM hangs or the host is overloaded; stop the sandbox if this lasts. A VFIO device takes long in a machine with much memory: raise create_container_timeout.',
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
    'host device {device} of container {container} cannot be handed to the machine: kata-ts has no way to give {vmm} one',
    'Use {possible} for containers with VFIO devices.',
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
    'Raise memory_slots or default_memory in the configuration, or set enable_virtio_mem, and start the pod again.',
  ),
  VMM_MEMORY_REFUSED: entry(
    'resource_exhausted',
    'the guest did not take {size} MiB of memory: it {answer}',
    'Raise default_memory so that less is added while it runs; a kernel of your own needs memory hot-plug by ACPI or virtio-mem.',
  ),
  VMM_GUEST_PANICKED: entry(
    'unavailable',
    'the guest kernel of sandbox {sandbox} panicked: {tail}',
    'The console tail names the cause: often a kernel without a needed driver, a damaged initrd, or too little memory.',
  ),
  VMM_GUEST_SHUT_DOWN: entry(
    'unavailable',
    'the guest of sandbox {sandbox} {how}: {tail}',
    'Its last words say why; nothing of the sandbox is left, and it can be started again.',
  ),
  VMM_INTERNAL_ERROR: entry(
    'internal',
    'the VMM of sandbox {sandbox} stopped the guest with an internal error: {tail}',
    'With KVM the CPU or an outer hypervisor cannot run this guest: set accelerator = "tcg" or "auto".',
  ),
  VMM_GUEST_SILENT: entry(
    'deadline_exceeded',
    'the guest of sandbox {sandbox}, which ran with {accelerator} ({reason}), said nothing within {seconds} s; its console ends with: {tail}',
    "Raise dial_timeout where it is only slow: on a busy host, and under tcg where `kata-ts check` says what keeps KVM away. Else check kernel= and initrd=. A guest of your own whose agent speaks only vsock, as Kata's does, needs /dev/vhost-vsock here: `modprobe vhost_vsock`.",
  ),
  KVM_UNUSABLE: entry(
    'failed_precondition',
    'accelerator = "kvm" cannot be used: {reason}',
    'Enable virtualization in the firmware or the outer hypervisor, or set accelerator = "tcg": emulation, no security boundary.',
  ),
} satisfies Record<string, CatalogueEntry>
