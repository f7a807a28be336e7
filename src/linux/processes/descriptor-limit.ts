/** How many descriptors a process may open: RLIMIT_NOFILE of getrlimit(2). Root of the host with CAP_SYS_RESOURCE raises the hard one. */
import { libc, ptr } from '../libc.ts'
import { capabilityMask } from './capabilities.ts'
import { readProc } from './proc.ts'

const SYS_prlimit64 = 302 // x86-64
const RLIMIT_NOFILE = 7

export interface DescriptorRights {
  /** The hard limit. */
  readonly hard: number
  /** The most that it can be raised to: itself without the right to. */
  readonly reachable: number
}

/** Files of /proc as texts, undefined where they could not be read. Then there is no right. */
export interface DescriptorFacts {
  /** /proc/PID/limits. */
  readonly limits?: string | undefined
  /** /proc/PID/status. */
  readonly status?: string | undefined
  /** /proc/sys/fs/nr_open, the kernel's bound of every hard limit. */
  readonly most?: string | undefined
}

export function descriptorRights({
  limits = '',
  status = '',
  most = '0',
}: DescriptorFacts): DescriptorRights {
  const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? 0)
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'
  const mayRaise = (BigInt(`0x${effective}`) & capabilityMask(['sys_resource'])) !== 0n
  return { hard, reachable: mayRaise ? Math.max(hard, Number(most)) : hard }
}

/** Those of this process. */
export function ownDescriptorRights(): DescriptorRights {
  return descriptorRights({
    limits: readProc('/proc/self/limits'),
    status: readProc('/proc/self/status'),
    most: readProc('/proc/sys/fs/nr_open'),
  })
}

/** Raises the hard limit of this process, which its children inherit, towards `wanted`. The soft one stays. */
export function raiseDescriptorLimit(wanted: number): void {
  const { hard, reachable } = ownDescriptorRights()
  const target = Math.min(wanted, reachable)
  if (target <= hard) return
  const limit = Buffer.alloc(16)
  if (Number(libc.syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, ptr(limit), 0, 0)) !== 0) return
  limit.writeBigUInt64LE(BigInt(target), 8)
  // In a user namespace of its own, a process has the capability and not the right.
  libc.syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, ptr(limit), 0, 0, 0)
}
