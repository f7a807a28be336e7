/** On which processors of the host a thread of the VMM runs (sched_setaffinity(2), by taskset(1)). */
import { readStatus } from '../../linux/processes/proc.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { jailTool } from '../../rootless/jail/jail-tools.ts'

/**
 * As the VMM's own user, who may do that to its threads: the shim would need a capability for it, and a number that has come to be that of
 * a stranger's thread meanwhile is refused.
 *
 * @throws Error with what taskset said, KataError JAIL_TOOL_MISSING.
 */
export async function bindThread(pid: number, tid: number, cpus: string): Promise<void> {
  const [uid, gid] = ['Uid', 'Gid'].map((field) => idOf(pid, field))
  const user = ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', '--no-new-privs']
  const argv = [
    jailTool('setpriv'),
    ...user,
    '--',
    jailTool('taskset'),
    '--cpu-list',
    '--pid',
    cpus,
    `${tid}`,
  ]
  const { code, stderr } = await runTool(argv, { timeoutMs: 5000 })
  if (code !== 0) throw new Error(`taskset of thread ${tid} to ${cpus}: ${stderr.trim()}`)
}

/** Where the process's first thread may run, which is never pinned. */
export function allowedCpus(pid: number): string {
  return readStatus(`/proc/${pid}/status`)?.get('Cpus_allowed_list') ?? ''
}

/** The effective one. */
function idOf(pid: number, field: string): number {
  return Number(readStatus(`/proc/${pid}/status`)?.get(field)?.split(/\s+/)[1] ?? Number.NaN)
}
