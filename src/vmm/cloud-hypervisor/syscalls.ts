/** What Cloud Hypervisor needs of the kernel, behind its own filters, which are narrower for each of its threads. */
import {
  aioSyscalls,
  baseSyscalls,
  directorySyscalls,
  processSyscalls,
} from '../../rootless/filters/base-syscalls.ts'
import type { SyscallPolicy } from '../../rootless/jail/launch-spec.ts'

export const clhSyscalls: SyscallPolicy = {
  allowed: [
    ...baseSyscalls,
    ...aioSyscalls,
    // It binds and removes the socket of vsock itself.
    ...directorySyscalls,
    // Its threads for queues are placed on processors.
    'sched_setaffinity',
    ...processSyscalls,
  ],
  // Its own filters let no thread but the first make a process, and that one only waits. The double of the tests does.
  processes: true,
  // By one it tells a tap its MTU.
  inet: true,
}
