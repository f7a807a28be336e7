/** Sessions (setsid(2)): what a daemon started and did not put into a session of its own. */
import { isElsewhere, listPids, type ProcessRef, processRef, statFields, statHasEnded } from './proc.ts'

/**
 * Processes of the session that `leader` began, without the leader itself and without zombies. Works after the
 * leader's death too: its number is not given to another process while a member of its session is left.
 */
export function sessionMembers(leader: ProcessRef): ProcessRef[] {
  // Here and now the number is another session's.
  if (isElsewhere(leader)) return []
  const now = processRef(leader.pid)
  if (now !== undefined && now.startTime !== leader.startTime) return []
  return (
    listPids()
      .filter((pid) => pid !== leader.pid && sessionOf(pid) === leader.pid)
      .map(processRef)
      .filter((ref) => ref !== undefined)
      // Looked at again: the number of one that has ended since may be another process by now.
      .filter(({ pid }) => sessionOf(pid) === leader.pid)
  )
}

/** Field 6 of /proc/PID/stat, or undefined for a process that ended. */
function sessionOf(pid: number): number | undefined {
  const fields = statFields(pid)
  return fields === undefined || statHasEnded(fields) ? undefined : Number(fields[3])
}
