/** `wait`: leaves a daemon behind that makes a machine and waits with it for a pod. `kata-ts factory serve` calls it. */
import type { ShimFlags } from '../flags.ts'
import { leaveDaemon } from '../leave-daemon.ts'

/** The pool server's end of this connection closes with it, and what waits ends by that. First after the standard streams. */
export const poolServerFd = 3

/** The daemon's log is the pool server's until a pod comes. */
export function wait(flags: ShimFlags): number {
  const daemon = leaveDaemon('serve-waiting', flags, {
    bundle: '',
    cwd: '/',
    stdio: ['ignore', 2, 2, poolServerFd],
  })
  daemon.unref()
  return 0
}
