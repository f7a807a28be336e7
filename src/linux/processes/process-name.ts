/**
 * Names of unfinished files and directories, which identify the process that makes them. So leftovers of a dead process can be told from the
 * work of a living one, even in another pid namespace, and after the process number was used again.
 */
import { ownProcess, type ProcessRef } from './proc.ts'

/** `<pid>-<start time>-n<inode of its pid namespace>-b<boot>-`. Earlier versions left the later parts out. */
const written = /^(\d+)-(\d+)-(?:n(\d+)-)?(?:b([0-9a-f-]{36})-)?/

/** A unique name for {@link processInName}. @throws as {@link ownProcess}. */
export function nameWithProcess(): string {
  const { pid, startTime, pidNamespace, bootId } = ownProcess()
  const inode = /\d+/.exec(pidNamespace ?? '')?.[0]
  return `${pid}-${startTime}-n${inode}-b${bootId}-${crypto.randomUUID()}`
}

/** Undefined for another name. */
export function processInName(name: string): ProcessRef | undefined {
  const [, pid, startTime = '', inode, bootId] = written.exec(name) ?? []
  if (pid === undefined) return undefined
  const pidNamespace = inode === undefined ? undefined : `pid:[${inode}]`
  return { pid: Number(pid), startTime, pidNamespace, bootId }
}
