/**
 * A bound of processor time for a process that does not come back to its event loop, setitimer(2): the kernel ends it by SIGPROF. No child
 * inherits such a timer, as it would a limit of setrlimit(2).
 */
import { sleep } from '../../time.ts'
import { checked, libc, ptr } from '../libc.ts'

const SYS_setitimer = 38 // x86-64
/** Counts the time of all threads, in the kernel, too. */
const ITIMER_PROF = 2
/** Milliseconds between two renewals. A process whose threads together use up the bound in that time is ended too early. */
const usualMs = 5000

/** Ends this process after `seconds` more of processor time, unless it is called again before; 0: never. @throws SyscallError. */
export function endAfterBusy(seconds: number): void {
  const timer = Buffer.alloc(32)
  timer.writeBigInt64LE(BigInt(seconds), 16)
  checked(libc.syscall(SYS_setitimer, ITIMER_PROF, ptr(timer), 0, 0, 0, 0), 'setitimer')
}

/** Ends this process when its event loop does not turn for `seconds` of processor time, until the result is disposed of. */
export function limitSpin(seconds: number, renewMs = usualMs): Disposable {
  const over = new AbortController()
  const renew = async () => {
    for (;;) {
      endAfterBusy(seconds)
      await sleep(renewMs, over.signal)
    }
  }
  void renew().catch(() => {})
  return {
    [Symbol.dispose]() {
      over.abort()
      endAfterBusy(0)
    },
  }
}
