/**
 * A pid namespace begins with the next child of the process that made it. So a process has to start the program, stay, and report
 * how it ended. The waiter is a shell with the program's ids and capabilities, without descriptors. The program is the first
 * process of its namespace: it sees no other process, and its end is the end of everything that it started.
 */
import { childrenOf, type ProcessRef } from '../../linux/processes/proc.ts'
import type { LaunchSpec } from './launch-spec.ts'

/**
 * A script for bash, which can close descriptors of two digits. It starts "$@" with all descriptors, closes its own, and ends as
 * the program ended. Without `<&0` bash would open /dev/null, which the jail lacks.
 */
export function waiterScript({ fds, stdout }: Pick<LaunchSpec, 'fds' | 'stdout'>): string {
  const last = 2 + fds.length + (stdout === undefined ? 0 : 1)
  const closing = Array.from({ length: last + 1 }, (_, fd) => `${fd}>&-`)
  return `
"$@" <&0 &
exec ${closing.join(' ')}
wait $!
ended=$?
if ((ended > 128)); then kill -$((ended - 128)) $$; fi
exit $ended
`
}

/** The process that the waiter has started. Before it runs, the set-up has children of its own. */
export const startedBy = (waiter: ProcessRef): ProcessRef | undefined => childrenOf(waiter)[0]
