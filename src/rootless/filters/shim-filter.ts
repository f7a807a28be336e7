/**
 * What neither the shim nor anything it starts has a use for, and by which root would reach other processes or the kernel itself:
 * whole system calls, which answer ENOSYS, families of sockets, and requests to terminals. It holds on every thread, and for
 * the shim's children.
 */
import {
  allow,
  ENOSYS,
  EPERM,
  failWith,
  families,
  ifEqual,
  onCall,
  onCallWithArgument,
  prologue,
} from '../../linux/processes/bpf.ts'
import { ofFamilies } from './argument-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

/** Numbers for x86-64, from <asm/unistd_64.h>. */
export const shimDeniedSyscalls = (): Readonly<Record<string, Readonly<Record<string, number>>>> => ({
  // The shim reads about other processes in /proc and signals them. It does nothing else to them.
  'memory, registers and descriptors of other processes': {
    ptrace: 101,
    process_vm_readv: 310,
    process_vm_writev: 311,
    kcmp: 312,
    pidfd_getfd: 438,
    process_madvise: 440,
    migrate_pages: 256,
    move_pages: 279,
  },
  'code of its own in the kernel': {
    init_module: 175,
    delete_module: 176,
    finit_module: 313,
    kexec_load: 246,
    kexec_file_load: 320,
    bpf: 321,
  },
  // Each has a long history of holes in the kernel.
  'interfaces that nothing here needs': {
    perf_event_open: 298,
    userfaultfd: 323,
    io_uring_setup: 425,
    io_uring_enter: 426,
    io_uring_register: 427,
    add_key: 248,
    request_key: 249,
    keyctl: 250,
    lookup_dcookie: 212,
    nfsservctl: 180,
    modify_ldt: 154,
    remap_file_pages: 216,
  },
  // They reach past the paths that its mount namespace shows.
  'files by handle, and the watch on all of a file system': { open_by_handle_at: 304, fanotify_init: 300 },
  'the host as a whole': {
    reboot: 169,
    swapon: 167,
    swapoff: 168,
    acct: 163,
    quotactl: 179,
    quotactl_fd: 443,
    syslog: 103,
    iopl: 172,
    ioperm: 173,
    settimeofday: 164,
    adjtimex: 159,
    clock_settime: 227,
    clock_adjtime: 305,
    sethostname: 170,
    setdomainname: 171,
  },
})

/**
 * Those that a runtime and its tools speak, by <linux/socket.h>. A packet socket takes a capability that the shim lacks besides.
 * The others are ways into seldom used parts of the kernel (ciphers, Bluetooth, TIPC), whose modules a socket alone loads.
 */
const shimFamilies = { ...families, netlink: 16, packet: 17, vsock: 40 } as const

/**
 * From <asm-generic/ioctls.h>. With CAP_SYS_ADMIN the first types into any terminal, that of an administrator's shell for one; the
 * second does so on a console, the third takes the console's output away, the last loads line disciplines.
 */
const terminalRequests = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c, TIOCCONS: 0x541d, TIOCSETD: 0x5423 } as const

export function shimFilter(): Buffer {
  const { ioctl, socket, socketpair } = syscallNumbers()
  const denied = Object.values(shimDeniedSyscalls()).flatMap(Object.values)
  const requests = Object.values(terminalRequests)
  return Buffer.concat([
    ...prologue(),
    ...denied.flatMap((number) => onCall(number, [failWith(ENOSYS)])),
    ...onCallWithArgument(socket, ofFamilies(Object.values(shimFamilies))),
    ...onCallWithArgument(socketpair, ofFamilies([families.unix])),
    ...onCallWithArgument(
      ioctl,
      [...requests.flatMap((request) => ifEqual(request, [failWith(EPERM)])), allow()],
      1,
    ),
    allow(),
  ])
}
