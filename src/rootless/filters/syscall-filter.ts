/** The seccomp filter of a jail: the system calls that its program needs, and no other, whichever the kernel may come to have. */

import {
  allow,
  CLONE_THREAD,
  ENOSYS,
  EPERM,
  failWith,
  families,
  ifAnyBit,
  ifEqual,
  newNamespaces,
  onCall,
  onCallWithArgument,
  PR_SET_PDEATHSIG,
  prologue,
  unlessAnyBit,
} from '../../linux/processes/bpf.ts'
import type { SyscallPolicy } from '../jail/launch-spec.ts'
import { ofFamilies } from './argument-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

/** Where setpriv finds it once the root is the jail's. */
export const filterPath = '/filter'

/**
 * The filter as `setpriv --seccomp-filter` reads it. Calls that are not allowed answer ENOSYS, as if the kernel did not have
 * them, and C libraries do without. The kernel caches decisions by number in a bitmap, so the length costs nothing.
 */
export function syscallFilter({ allowed, processes, inet }: SyscallPolicy): Buffer {
  const numbers = syscallNumbers()
  const { clone, prctl, socket, socketpair } = numbers
  const sockets = inet ? Object.values(families) : [families.unix]
  return Buffer.concat([
    ...prologue(),
    ...onCallWithArgument(clone, [
      ...ifAnyBit(newNamespaces, [failWith(EPERM)]),
      ...(processes ? [] : unlessAnyBit(CLONE_THREAD, [failWith(EPERM)])),
      allow(),
    ]),
    // It cannot change the signal that ends it with its parent.
    ...onCallWithArgument(prctl, [...ifEqual(PR_SET_PDEATHSIG, [failWith(EPERM)]), allow()]),
    ...onCallWithArgument(socket, ofFamilies(sockets)),
    ...onCallWithArgument(socketpair, ofFamilies([families.unix])),
    ...allowed.flatMap((name) => onCall(numbers[name], [allow()])),
    failWith(ENOSYS),
  ])
}
