/**
 * System calls that no confined program needs and that have a history of kernel bugs or lead out of a jail. They
 * answer ENOSYS, by a filter of enosys(1) that holds whatever filter the program itself adds.
 */
export const deniedSyscalls: readonly string[] = [
  ...['unshare', 'setns', 'mount', 'umount2', 'pivot_root', 'chroot'],
  ...[
    'mount_setattr',
    'move_mount',
    'fsopen',
    'fsmount',
    'open_tree',
    'open_by_handle_at',
    'name_to_handle_at',
  ],
  ...['keyctl', 'add_key', 'request_key', 'bpf', 'perf_event_open', 'userfaultfd', 'io_uring_setup'],
  ...['ptrace', 'process_vm_readv', 'process_vm_writev', 'pidfd_getfd', 'kcmp', 'personality'],
  ...['kexec_load', 'init_module', 'finit_module', 'delete_module', 'reboot'],
  ...['swapon', 'swapoff', 'acct', 'quotactl', 'fanotify_init'],
]
