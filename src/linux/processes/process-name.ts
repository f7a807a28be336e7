/**
 * The process that works on a file or a directory, in the name of that: so what a dead one has left is told from what one that lives is making,
 * also by a process of another pid namespace, and once another process has the number.
 */
import { ownProcess, type ProcessRef } from './proc.ts'

/** `<pid>-<start time>-n<inode of its pid namespace>-b<boot>-`. Earlier versions left the later parts out. */
const written = /^(\d+)-(\d+)-(?:n(\d+)-)?(?:b([0-9a-f-]{36})-)?/

/** A name that no other call has given, as {@link processInName} reads it. @throws as {@link ownProcess}. */
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
