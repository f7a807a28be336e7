/** The identity that a thread has for files alone (setfsuid(2)). */
import { checked, libc } from '../libc.ts'

const SYS_setfsuid = 122 // x86-64
const SYS_setfsgid = 123 // x86-64
const PR_GET_SECUREBITS = 27
const PR_SET_SECUREBITS = 28
/** Changing ids then leaves the capabilities alone (capabilities(7)). */
const SECBIT_NO_SETUID_FIXUP = 4

/**
 * Runs `work` on this thread with the file system ids `uid` and `gid`, all capabilities kept. `work` must be
 * synchronous: nothing else may run on the thread meanwhile.
 *
 * @throws SyscallError when it could not be done or undone, and what `work` throws.
 */
export function withFsIds<T>(uid: number, gid: number, work: () => T): T {
  const before = checked(libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), 'prctl PR_GET_SECUREBITS')
  checked(libc.prctl(PR_SET_SECUREBITS, before | SECBIT_NO_SETUID_FIXUP, 0, 0, 0), 'prctl PR_SET_SECUREBITS')
  const [oldUid, oldGid] = [setId(SYS_setfsuid, uid), setId(SYS_setfsgid, gid)]
  try {
    return work()
  } finally {
    setId(SYS_setfsuid, oldUid)
    setId(SYS_setfsgid, oldGid)
    checked(libc.prctl(PR_SET_SECUREBITS, before, 0, 0, 0), 'prctl PR_SET_SECUREBITS')
  }
}

/** Returns the former id. Both calls report no errors; a second call with an impossible id returns what is set. */
function setId(call: number, id: number): number {
  const before = Number(libc.syscall(call, id, 0, 0, 0, 0, 0))
  const now = Number(libc.syscall(call, -1, 0, 0, 0, 0, 0))
  checked(now === id ? 0 : -1, `setting the file system id ${id}`)
  return before
}
