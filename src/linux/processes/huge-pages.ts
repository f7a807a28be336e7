/** Transparent huge pages of a process (PR_SET_THP_DISABLE of prctl(2)), which every process that it starts inherits. */
import { checked, libc, SyscallError } from '../libc.ts'

const [PR_SET_THP_DISABLE, PR_GET_THP_DISABLE] = [41, 42]

/**
 * Runs `start`, which starts processes and returns once they execute their programs: neither those nor what they start get huge pages, whatever
 * the host or the program asks for. This process has them as before afterwards. A kernel without huge pages has nothing to switch off.
 *
 * @throws what `start` throws; SyscallError.
 */
export function withSmallPages<T>(start: () => T): T {
  const isOff = libc.prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) === 1
  if (isOff || !disable(1)) return start()
  try {
    return start()
  } finally {
    disable(0)
  }
}

/** False on a kernel that does not know the call. */
function disable(value: 0 | 1): boolean {
  try {
    checked(libc.prctl(PR_SET_THP_DISABLE, value, 0, 0, 0), 'PR_SET_THP_DISABLE')
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.errno === 'EINVAL') return false
    throw error
  }
}
