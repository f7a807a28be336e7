/** Rules of a seccomp filter under which no file gets a set-user-id or set-group-id bit. */
import {
  allow,
  ENOSYS,
  EPERM,
  failWith,
  ifAnyBit,
  loadArgument,
  onCall,
  onCallWithArgument,
  unlessAnyBit,
} from '../../linux/processes/bpf.ts'
import { syscallNumbers } from './syscall-numbers.ts'

/** S_ISUID and S_ISGID. */
const setIdBits = 0o6000
/** O_CREAT and what makes O_TMPFILE of O_DIRECTORY: only with these the mode counts. */
const creating = 0o20000100

/** The calls that give a file a mode, and which argument that is. */
const modeCalls = { creat: 1, chmod: 1, fchmod: 1, mknod: 1, mknodat: 2, fchmodat: 2, fchmodat2: 2 } as const
/** Which argument is their flags; the next one is the mode. */
const openCalls = { open: 1, openat: 2 } as const
const refused = () => [...ifAnyBit(setIdBits, [failWith(EPERM)]), allow()]

/** Leaves calls that it does not answer to what follows. */
export function setIdRules(): Buffer[] {
  const numbers = syscallNumbers()
  return [
    ...entriesOf(modeCalls).flatMap(([call, mode]) => onCallWithArgument(numbers[call], refused(), mode)),
    ...entriesOf(openCalls).flatMap(([call, flags]) =>
      onCallWithArgument(
        numbers[call],
        [...unlessAnyBit(creating, [allow()]), loadArgument(flags + 1), ...refused()],
        flags,
      ),
    ),
    // It opens files by what lies in memory, out of a filter's sight. So does io_uring, which the rest of the filter refuses.
    ...onCall(numbers.openat2, [failWith(ENOSYS)]),
  ]
}

const entriesOf = <K extends string, V>(table: Readonly<Record<K, V>>) => Object.entries(table) as [K, V][]
