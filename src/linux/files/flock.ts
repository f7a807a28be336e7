/** Locks of open files and directories (flock(2)): the kernel lets go of one once its descriptor is closed, also for the dead. */
import { until } from '../../time.ts'
import { checked, libc } from '../libc.ts'

/** Many may share a lock, or one has it alone. */
export type LockKind = 'shared' | 'exclusive'

const operations = { shared: 1, exclusive: 2 } as const satisfies Record<LockKind, number>
const LOCK_NB = 4
/** Between two tries, milliseconds. */
const pauseMs = 50

/** Whether the lock could be had now; errno tells why not. */
export const tryLock = (fd: number, kind: LockKind = 'exclusive'): boolean =>
  libc.flock(fd, operations[kind] | LOCK_NB) === 0

export interface LockPatience {
  /** How long to try, milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** Tries until the lock can be had, while this process goes on; false once the time is over. @throws the signal's reason. */
export const pollLock = (
  fd: number,
  patience: LockPatience,
  kind: LockKind = 'exclusive',
): Promise<boolean> => until(() => tryLock(fd, kind), { ...patience, everyMs: pauseMs })

/** Waits for the lock, and this process does nothing else. @throws SyscallError. */
export function waitForLock(fd: number): void {
  checked(libc.flock(fd, operations.exclusive), 'flock')
}
