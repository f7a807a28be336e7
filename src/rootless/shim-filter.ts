/**
 * System calls that neither the shim nor anything it starts has a use for, and by which root would reach other processes or the
 * kernel itself. They answer ENOSYS on every thread, to its children too.
 */
import { denyFilter } from '../linux/seccomp.ts'

/** Numbers for x86-64, from <asm/unistd_64.h>. */
export const shimDeniedSyscalls: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  // What it knows of others it reads from /proc; it signals them, and does nothing else to them.
  'memory, registers and descriptors of other processes': {
    ...{ ptrace: 101, process_vm_readv: 310, process_vm_writev: 311, kcmp: 312 },
    ...{ pidfd_getfd: 438, process_madvise: 440 },
  },
  'code of its own in the kernel': {
    ...{ init_module: 175, delete_module: 176, finit_module: 313 },
    ...{ kexec_load: 246, kexec_file_load: 320, bpf: 321 },
  },
  // With a long history of holes in the kernel each.
  'interfaces that nothing here needs': {
    ...{ perf_event_open: 298, userfaultfd: 323 },
    ...{ io_uring_setup: 425, io_uring_enter: 426, io_uring_register: 427 },
    ...{ add_key: 248, request_key: 249, keyctl: 250 },
    ...{ lookup_dcookie: 212, nfsservctl: 180 },
  },
  // Past the paths that its mount namespace shows.
  'files by handle, and the watch on all of a file system': { open_by_handle_at: 304, fanotify_init: 300 },
  'the host as a whole': {
    ...{ reboot: 169, swapon: 167, swapoff: 168, acct: 163, quotactl: 179, quotactl_fd: 443 },
    ...{ syslog: 103, iopl: 172, ioperm: 173 },
    ...{ settimeofday: 164, adjtimex: 159, clock_settime: 227, clock_adjtime: 305 },
  },
}

export const shimFilter = (): Buffer => denyFilter(Object.values(shimDeniedSyscalls).flatMap(Object.values))
