/** Names of users and groups, from whatever serves them on this host (nsswitch.conf). */
import { runTool } from '../../src/linux/processes/run-tool.ts'

/** A line of the account databases; empty when there is none. */
export async function lineOf(database: 'passwd' | 'group', key: string | number): Promise<string> {
  return (await runTool(['/usr/bin/getent', database, String(key)], { timeoutMs: 5000 })).stdout.trim()
}

/** A name, or the number where there is none. */
export async function nameOf(database: 'passwd' | 'group', id: number): Promise<string> {
  return (await lineOf(database, id)).split(':')[0] || String(id)
}
