/** System calls that programs in a jail need, by what for: what every one of them does, and more for those that ask for it. */
import type { SyscallName } from './syscall-numbers.ts'

/**
 * System calls of the C library, of threads, and of a program that reads and writes files. clone, prctl, socket and socketpair depend on their
 * arguments (syscall-filter.ts): a unix socket can be made, and leads nowhere without {@link socketSyscalls}. All memory counts for the limit
 * of the address space.
 */
export const fileSyscalls: readonly SyscallName[] = [
  // The last steps of setpriv(1): dropping capabilities, Landlock, and the program's start.
  ...named('capget capset landlock_create_ruleset landlock_add_rule landlock_restrict_self execve'),
  ...named('arch_prctl set_tid_address set_robust_list rseq getrandom'),
  // Programs add filters of their own.
  ...named('seccomp'),
  // Files that the jail shows to read, and files that were handed over.
  ...named('open openat close close_range read write readv writev pread64 pwrite64 preadv pwritev preadv2'),
  ...named('pwritev2 lseek fsync fdatasync ftruncate fallocate fcntl flock dup dup2 dup3'),
  ...named(
    'stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat',
  ),
  ...named('getdents64 getcwd umask'),
  // Devices and machines, by descriptors that were handed over or nodes that the jail shows.
  ...named('ioctl'),
  // Memory of its own.
  ...named('brk mmap munmap mprotect mremap madvise msync membarrier'),
  ...named('mlock mlock2 munlock mlockall munlockall'),
  // Threads, their signals and their ends. There are no other processes to signal.
  ...named('futex exit exit_group restart_syscall sched_yield sched_getaffinity'),
  ...named(
    'rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack',
  ),
  ...named('kill tkill tgkill pause'),
  // Its ids, its directory and its limits.
  ...named('getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid'),
  ...named('uname sysinfo getrusage getrlimit prlimit64'),
  // Time.
  ...named('nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times'),
  ...named('timer_create timer_settime timer_gettime timer_getoverrun timer_delete'),
  ...named('timerfd_create timerfd_settime timerfd_gettime setitimer getitimer alarm'),
  // Waiting for descriptors.
  ...named(
    'poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2',
  ),
  ...named('eventfd eventfd2 signalfd signalfd4 pipe pipe2'),
]

/** The unix sockets that were handed over, or that it makes. */
const socketSyscalls = named(
  'connect accept accept4 bind listen shutdown getsockname getpeername getsockopt setsockopt ' +
    'sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg',
)

/** For a program that serves its sockets, or has memory that others map, too: a machine or a device. */
export const baseSyscalls: readonly SyscallName[] = [
  ...fileSyscalls,
  ...named('memfd_create'),
  ...socketSyscalls,
]

/** For a program that reads and writes disks past the page cache (Linux AIO). */
export const aioSyscalls = named('io_setup io_submit io_getevents io_pgetevents io_destroy')

/** For a program that keeps files in a directory of its own. */
export const directorySyscalls = named(
  'unlink unlinkat rename renameat renameat2 mkdir mkdirat chmod fchmod fchmodat truncate getdents',
)

/** For a program that walks through a tree of files and copies them. */
export const treeSyscalls = named(
  'chdir fchdir getdents listxattr llistxattr flistxattr getxattr lgetxattr fgetxattr sendfile copy_file_range sync_file_range',
)

/** For a program that makes processes of its own and waits for them, see {@link SyscallPolicy.processes}. */
export const processSyscalls = named('fork vfork execveat wait4 waitid setsid')

/** base-syscalls.test.ts holds the names to those that have a number. */
function named(names: string): SyscallName[] {
  return names.split(' ') as SyscallName[]
}
