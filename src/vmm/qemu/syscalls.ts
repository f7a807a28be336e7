/** What QEMU needs of the kernel, behind its own `-sandbox` filter, which denies some of it again. */
import { aioSyscalls, baseSyscalls } from '../../rootless/filters/base-syscalls.ts'
import type { SyscallPolicy } from '../../rootless/jail/launch-spec.ts'

/** Everything it speaks to comes as a descriptor: it makes neither processes nor sockets to a network. */
export const qemuSyscalls: SyscallPolicy = { allowed: [...baseSyscalls, ...aioSyscalls] }
