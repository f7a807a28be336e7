/** Capabilities of the calling thread (capabilities(7)); a child that it spawns and executes begins with them. */
import { checked, libc, ptr } from '../libc.ts'

/** Numbers from <linux/capability.h>, for those that anything here speaks of. */
const capabilityNumbers = {
  chown: 0,
  dac_override: 1,
  fowner: 3,
  fsetid: 4,
  kill: 5,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  net_admin: 12,
  sys_chroot: 18,
  sys_ptrace: 19,
  sys_admin: 21,
  sys_resource: 24,
  mknod: 27,
  setfcap: 31,
} as const
export type Capability = keyof typeof capabilityNumbers

const PR_CAPBSET_READ = 23
const PR_CAPBSET_DROP = 24
const PR_SET_NO_NEW_PRIVS = 38
const PR_CAP_AMBIENT = 47
const PR_CAP_AMBIENT_CLEAR_ALL = 4
const SYS_capget = 125 // x86-64
const SYS_capset = 126 // x86-64
const _LINUX_CAPABILITY_VERSION_3 = 0x20080522
/** More than any kernel has. Asking for a capability that the kernel does not know fails with EINVAL and ends the list. */
const mostCapabilities = 64

/** The set as /proc/PID/status writes it: 16 hexadecimal digits. */
export function capabilityMask(names: readonly Capability[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(capabilityNumbers[name])), 0n)
}

/** Takes every other capability out of the bounding set, for good. @throws SyscallError EPERM without CAP_SETPCAP. */
export function cutBoundingSet(kept: readonly Capability[]): void {
  const mask = capabilityMask(kept)
  for (let number = 0; number < mostCapabilities; number++) {
    const present = libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0)
    if (present === -1) return
    if (present === 1 && (mask & (1n << BigInt(number))) === 0n)
      checked(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), `drop capability ${number} from the bounding set`)
  }
}

/** Empties the inheritable and the ambient set. */
export function clearInheritable(): void {
  checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), 'clear the ambient set')
  const header = Buffer.alloc(8)
  header.writeUInt32LE(_LINUX_CAPABILITY_VERSION_3, 0)
  // Twice effective, permitted, inheritable: the lower and the upper 32 capabilities.
  const data = Buffer.alloc(24)
  checked(libc.syscall(SYS_capget, ptr(header), ptr(data), 0, 0, 0, 0), 'capget')
  data.writeUInt32LE(0, 8)
  data.writeUInt32LE(0, 20)
  checked(libc.syscall(SYS_capset, ptr(header), ptr(data), 0, 0, 0, 0), 'capset')
}

/** From here on no execve(2) gives rights that were not there before. */
export function setNoNewPrivs(): void {
  checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'PR_SET_NO_NEW_PRIVS')
}
