/**
 * System calls of the default seccomp profile, in groups with the reason for each. The choice is the one that users know from
 * docker, for a container without added capabilities. What is in no group fails with EPERM.
 */

export interface CallGroup {
  /** Why a container may have them. */
  readonly because: string
  readonly calls: readonly string[]
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')
const group = (because: string, calls: string): CallGroup => ({ because, calls: words(calls) })

export const everyContainer: readonly CallGroup[] = [
  group(
    'Every program reads and writes what it has open.',
    `read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek
    close close_range dup dup2 dup3 fcntl fcntl64 ioctl flock sendfile sendfile64 splice tee vmsplice copy_file_range
    pipe pipe2 cachestat readahead fadvise64 fadvise64_64 arm_fadvise64_64`,
  ),
  group(
    'Files are opened, looked at, made, changed and removed under the permissions of the file system.',
    `open openat openat2 creat stat stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx
    access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir
    mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
    chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat umask
    truncate truncate64 ftruncate ftruncate64 fallocate getdents getdents64
    utime utimes utimensat utimensat_time64 futimesat
    sync syncfs fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range
    setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr setxattrat getxattrat listxattrat removexattrat`,
  ),
  group(
    'File systems are looked at, not mounted.',
    'statfs statfs64 fstatfs fstatfs64 statmount listmount name_to_handle_at',
  ),
  group(
    'The capabilities of a container allow these, or refuse them: another root directory, and device nodes, which its device rules fence.',
    'chroot mknod mknodat',
  ),
  group(
    'Programs wait for many files at once, and for changes of files.',
    `inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
    poll ppoll ppoll_time64 select pselect6 pselect6_time64 _newselect eventfd eventfd2 signalfd signalfd4`,
  ),
  group(
    'A process arranges its own memory; process_madvise reaches others under the rules of ptrace only.',
    `mmap mmap2 munmap mremap mprotect madvise process_madvise msync mincore mseal brk map_shadow_stack
    mlock mlock2 mlockall munlock munlockall membarrier remap_file_pages memfd_create memfd_secret
    pkey_alloc pkey_free pkey_mprotect`,
  ),
  group(
    'Asynchronous reading and writing of the old kind; io_uring is left out, because it passes seccomp by.',
    'io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64',
  ),
  group(
    'Processes begin and end; new namespaces take clone, which has a rule of its own.',
    `fork vfork execve execveat exit exit_group wait4 waitid waitpid
    getpid getppid gettid getpgid getpgrp setpgid getsid setsid
    pidfd_open pidfd_send_signal process_mrelease`,
  ),
  group(
    'Threads, and what the C library needs for them.',
    `set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area arch_prctl rseq modify_ldt
    futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue restart_syscall`,
  ),
  group(
    'Scheduling within what the limits and capabilities of the process allow.',
    `sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_setaffinity
    sched_rr_get_interval sched_rr_get_interval_time64
    getpriority setpriority ioprio_get ioprio_set getcpu`,
  ),
  group(
    'Limits of a process, and what it has used; they are raised with a capability only.',
    'getrlimit setrlimit ugetrlimit prlimit64 getrusage times sysinfo uname riscv_hwprobe',
  ),
  group(
    'Users and groups change within the capabilities of the container.',
    `getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32
    getresuid getresuid32 getresgid getresgid32 getgroups getgroups32
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
    setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset`,
  ),
  group(
    'A process takes rights away from itself.',
    'prctl seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self',
  ),
  group(
    'Signals go to processes that the sender may reach.',
    `kill tkill tgkill pause alarm signal sigaction sigpending sigprocmask sigreturn sigsuspend sigaltstack
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo`,
  ),
  group(
    'Time is read and waited for; adjtimex and clock_adjtime without a capability only read.',
    `time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
    clock_nanosleep_time64 nanosleep getitimer setitimer adjtimex clock_adjtime clock_adjtime64
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`,
  ),
  group(
    'Sockets are used in the network of the pod; which kinds can be made is said by the rule of socket.',
    `socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername
    getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64`,
  ),
  group(
    'Messages, semaphores and shared memory are those of the IPC namespace of the pod.',
    `ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 shmget shmctl shmat shmdt
    mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive
    mq_timedreceive_time64`,
  ),
  group('Keys and nonces are made of random numbers.', 'getrandom'),
  group(
    'Debuggers look into processes of the same user in the container; the kernel checks each time.',
    'ptrace process_vm_readv process_vm_writev',
  ),
]

export interface CapabilityGroup extends CallGroup {
  readonly capability: string
}

const withCapability = (capability: string, because: string, calls: string): CapabilityGroup => ({
  capability,
  ...group(because, calls),
})

/** Calls that only make sense, and are only allowed, with one of these capabilities. */
export const withCapabilities: readonly CapabilityGroup[] = [
  withCapability(
    'CAP_SYS_ADMIN',
    'Mounts, namespaces, quotas, swap, and the names of the machine.',
    `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
    open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns swapon swapoff syslog
    umount umount2 unshare`,
  ),
  withCapability('CAP_BPF', 'Programs in the kernel.', 'bpf'),
  withCapability('CAP_DAC_READ_SEARCH', 'Files by their handles, past directories.', 'open_by_handle_at'),
  withCapability('CAP_PERFMON', 'Measuring the processor.', 'perf_event_open'),
  withCapability('CAP_SYS_BOOT', 'The end of the machine.', 'reboot'),
  withCapability('CAP_SYS_MODULE', 'Modules of the kernel.', 'delete_module finit_module init_module'),
  withCapability(
    'CAP_SYS_NICE',
    'Memory is placed on nodes.',
    'get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node',
  ),
  withCapability('CAP_SYS_PACCT', 'Accounting of processes.', 'acct'),
  withCapability('CAP_SYS_PTRACE', 'Looking into other processes.', 'kcmp pidfd_getfd'),
  withCapability('CAP_SYS_RAWIO', 'Ports of the machine.', 'ioperm iopl'),
  withCapability('CAP_SYS_TIME', 'Setting clocks.', 'clock_settime clock_settime64 settimeofday stime'),
  withCapability('CAP_SYS_TTY_CONFIG', 'Hanging up terminals.', 'vhangup'),
  withCapability('CAP_SYSLOG', 'The log of the kernel.', 'syslog'),
]
