/**
 * The seccomp filter of what carries a guest's packets, and has no jail of ours: sockets of the internet and of netlink. AF_VSOCK leads to
 * other guests, and no network namespace confines it. A unix socket without a file (abstract) is confined by nothing but
 * the network namespace, which for pasta is the host's; one with a file, such as /dev/log, by nothing but its mode.
 */
import {
  allow,
  EAFNOSUPPORT,
  ENOSYS,
  EPERM,
  ESOCKTNOSUPPORT,
  failWith,
  families,
  ifAnyBit,
  ifEqual,
  loadArgument,
  newNamespaces,
  onCall,
  onCallWithArgument,
  prologue,
} from '../../linux/processes/bpf.ts'
import { ofFamilies } from './argument-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

const netlink = 16
/** In the types of unix sockets that take datagrams, and in none of the others: SOCK_STREAM and SOCK_SEQPACKET. */
const datagrams = 2

/** The filter as `setpriv --seccomp-filter` reads it. */
export const networkFilter = (): Buffer => filterOf([])

/** The same for the name server, which makes no namespaces: in a user namespace of its own it would have all capabilities. */
export function resolverFilter(): Buffer {
  const { clone, clone3, unshare } = syscallNumbers()
  return filterOf([
    // Its flags lie in memory, where a filter cannot read them; C libraries fall back to clone.
    ...onCall(clone3, [failWith(ENOSYS)]),
    ...onCallWithArgument(clone, [...ifAnyBit(newNamespaces, [failWith(EPERM)]), allow()]),
    ...onCall(unshare, [failWith(ENOSYS)]),
  ])
}

/** `more` is asked first, and leaves calls that it does not answer to the rest. */
function filterOf(more: readonly Buffer[]): Buffer {
  const { io_uring_setup, socket, socketpair } = syscallNumbers()
  return Buffer.concat([
    ...prologue(),
    ...more,
    // It makes sockets of every family, by what lies in memory, and no filter is asked.
    ...onCall(io_uring_setup, [failWith(ENOSYS)]),
    ...onCallWithArgument(socket, ofFamilies([families.inet, families.inet6, netlink])),
    // Both ends are the caller's, and stay so for streams. One that takes datagrams can be connected anew, to any other socket.
    ...onCallWithArgument(socketpair, [
      ...ifEqual(families.unix, [
        loadArgument(1),
        ...ifAnyBit(datagrams, [failWith(ESOCKTNOSUPPORT)]),
        allow(),
      ]),
      failWith(EAFNOSUPPORT),
    ]),
    allow(),
  ])
}
