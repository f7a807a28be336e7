/**
 * The seccomp filter of arguments, for a program with an allow-list of its own (virtiofsd): no namespaces by clone(2), no
 * user namespace at all, and sockets of few families only. Above all it refuses AF_VSOCK, which no network namespace confines and
 * which leads to other guests.
 */
import {
  allow,
  CLONE_NEWUSER,
  EAFNOSUPPORT,
  ENOSYS,
  EPERM,
  failWith,
  families,
  ifAnyBit,
  ifEqual,
  newNamespaces,
  onCall,
  onCallWithArgument,
  prologue,
} from '../../linux/processes/bpf.ts'
import { setIdRules } from './set-id-rules.ts'
import { syscallNumbers } from './syscall-numbers.ts'

/** The filter as `setpriv --seccomp-filter` reads it. */
export const argumentFilter = (): Buffer => filterOf([])

/** The same, and no file gets a set-user-id or set-group-id bit. */
export const setIdFilter = (): Buffer => filterOf(setIdRules())

/** A session's keyring stays with a process that becomes another user, and its keys can be read by who has it. */
const keyCalls = ['add_key', 'request_key', 'keyctl'] as const

/** `more` is asked first, and leaves calls that it does not answer to the rest. */
function filterOf(more: readonly Buffer[]): Buffer {
  const numbers = syscallNumbers()
  const { clone, clone3, io_uring_setup, socket, socketpair, unshare } = numbers
  return Buffer.concat([
    ...prologue(),
    ...more,
    // The flags of clone3 lie in memory, where a filter cannot read them; glibc falls back to clone.
    ...onCall(clone3, [failWith(ENOSYS)]),
    // It makes sockets of every family, by what lies in memory, and no filter is asked.
    ...onCall(io_uring_setup, [failWith(ENOSYS)]),
    ...keyCalls.flatMap((call) => onCall(numbers[call], [failWith(ENOSYS)])),
    ...onCallWithArgument(clone, [...ifAnyBit(newNamespaces, [failWith(EPERM)]), allow()]),
    // virtiofsd makes the other namespaces of its sandbox itself; a new user gets no further than one of those.
    ...onCallWithArgument(unshare, [...ifAnyBit(CLONE_NEWUSER, [failWith(ENOSYS)]), allow()]),
    ...onCallWithArgument(socket, ofFamilies(Object.values(families))),
    ...onCallWithArgument(socketpair, ofFamilies([families.unix])),
    allow(),
  ])
}

/** Confined by the network namespace, or by file permissions; every other family answers as if the kernel had it not. */
export const ofFamilies = (allowed: readonly number[]): Buffer[] => [
  ...allowed.flatMap((family) => ifEqual(family, [allow()])),
  failWith(EAFNOSUPPORT),
]
