/**
 * The seccomp filter of what carries a guest's packets, and has no jail of ours: sockets of the internet and of netlink. AF_VSOCK leads to
 * other guests, and no network namespace confines it. A unix socket without a file (abstract) is confined by nothing but
 * the network namespace, which for pasta is the host's.
 */
import { allow, families, onCallWithArgument, prologue } from '../../linux/processes/bpf.ts'
import { ofFamilies } from './argument-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

const netlink = 16
const { socket, socketpair } = syscallNumbers

/** The filter as `setpriv --seccomp-filter` reads it. */
export const networkFilter = (): Buffer =>
  Buffer.concat([
    ...prologue(),
    ...onCallWithArgument(socket, ofFamilies([families.inet, families.inet6, netlink])),
    // Both its ends are the caller's.
    ...onCallWithArgument(socketpair, ofFamilies([families.unix])),
    allow(),
  ])
