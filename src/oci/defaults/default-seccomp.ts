/**
 * The seccomp profile of a container that asks for none: what is not named here fails with EPERM. The choice of
 * calls is the one users know from docker, for a container without added capabilities: nothing that mounts, loads
 * code into the kernel, traces other users' processes, changes clocks or makes namespaces.
 */

import type { OciSeccomp, OciSyscall } from '../seccomp.ts'

/** A whole profile, as we make and read them. */
export interface SeccompProfile extends OciSeccomp {
  readonly architectures: readonly string[]
  readonly syscalls: readonly OciSyscall[]
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')

const allowed = words(`
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek
  open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 ioctl flock
  stat stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx statfs statfs64 fstatfs fstatfs64
  access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir chroot name_to_handle_at
  mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod mknodat
  chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat umask
  truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 arm_fadvise64_64 readahead
  sync syncfs fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range
  getdents getdents64 utime utimes utimensat utimensat_time64 futimesat
  setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
  removexattr lremovexattr fremovexattr
  setxattrat getxattrat listxattrat removexattrat statmount listmount
  sendfile sendfile64 splice tee vmsplice copy_file_range cachestat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
  poll ppoll ppoll_time64 select pselect6 pselect6_time64 _newselect eventfd eventfd2 signalfd signalfd4
  pipe pipe2 memfd_create memfd_secret
  mmap mmap2 munmap mremap mprotect madvise process_madvise msync mincore mseal brk map_shadow_stack
  mlock mlock2 mlockall munlock munlockall membarrier remap_file_pages
  pkey_alloc pkey_free pkey_mprotect
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
  fork vfork execve execveat exit exit_group wait4 waitid waitpid
  getpid getppid gettid getpgid getpgrp setpgid getsid setsid
  pidfd_open pidfd_send_signal process_mrelease
  set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area arch_prctl rseq
  futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue restart_syscall
  sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_setaffinity
  sched_rr_get_interval sched_rr_get_interval_time64
  getpriority setpriority ioprio_get ioprio_set getcpu
  getrlimit setrlimit ugetrlimit prlimit64 getrusage times sysinfo uname
  getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32
  getresuid getresuid32 getresgid getresgid32 getgroups getgroups32
  setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
  setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32
  capget capset prctl seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
  kill tkill tgkill pause alarm signal sigaction sigpending sigprocmask sigreturn sigsuspend sigaltstack
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo
  time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
  clock_nanosleep_time64 nanosleep getitimer setitimer adjtimex clock_adjtime clock_adjtime64
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
  timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
  socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername
  getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
  ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 shmget shmctl shmat shmdt
  mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive
  mq_timedreceive_time64
  getrandom modify_ldt riscv_hwprobe
  ptrace process_vm_readv process_vm_writev
`)

/** Linux on these machine words; 32-bit programs run on 64-bit kernels. */
const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

const EPERM = 1
const ENOSYS = 38
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const cloneNamespaces = 0x7e020000
const AF_VSOCK = 40
/** personality(2): Linux, 32-bit, UNAME26, both, and the question. */
const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff]

/** Calls that only make sense, and are only allowed, with one of these capabilities. */
const allowedWith: readonly (readonly [capability: string, calls: string[]])[] = [
  [
    'CAP_SYS_ADMIN',
    words(`
      bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
      open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns swapon swapoff syslog
      umount umount2 unshare
    `),
  ],
  ['CAP_BPF', ['bpf']],
  ['CAP_DAC_READ_SEARCH', ['open_by_handle_at']],
  ['CAP_PERFMON', ['perf_event_open']],
  ['CAP_SYS_BOOT', ['reboot']],
  ['CAP_SYS_MODULE', ['delete_module', 'finit_module', 'init_module']],
  [
    'CAP_SYS_NICE',
    words('get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node'),
  ],
  ['CAP_SYS_PACCT', ['acct']],
  ['CAP_SYS_PTRACE', ['kcmp', 'pidfd_getfd']],
  ['CAP_SYS_RAWIO', ['ioperm', 'iopl']],
  ['CAP_SYS_TIME', words('clock_settime clock_settime64 settimeofday stime')],
  ['CAP_SYS_TTY_CONFIG', ['vhangup']],
  ['CAP_SYSLOG', ['syslog']],
]

/** `arch` is Node's name of the machine; `capabilities` are those that the container may have. */
export function defaultSeccomp({
  arch = process.arch,
  capabilities = [],
}: {
  arch?: string
  capabilities?: readonly string[]
} = {}): SeccompProfile {
  const more = [
    ...new Set(allowedWith.flatMap(([name, calls]) => (capabilities.includes(name) ? calls : []))),
  ]

  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: architectures[arch] ?? [],
    syscalls: [
      { names: allowed, action: 'SCMP_ACT_ALLOW' },
      ...personalities.map((value) => ({
        names: ['personality'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
      })),
      {
        // The guest's vsock reaches the host; a container has no business there.
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }],
      },
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: cloneNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      // A filter cannot look into clone3's structure; with ENOSYS the C library falls back to clone.
      ...(more.includes('clone3') ? [] : [{ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }]),
      ...(more.length === 0 ? [] : [{ names: more, action: 'SCMP_ACT_ALLOW' }]),
    ],
  }
}
