/** User namespaces (user_namespaces(7)) of child processes: their id maps, written by root without any helper program. */
import { openSync, readlinkSync, writeFileSync } from 'node:fs'
import { isAlive, type ProcessRef } from './proc.ts'

/** Host ids `first`.. that are 0.. in the namespace, users and groups alike. */
export interface IdRange {
  readonly first: number
  readonly count: number
}

/**
 * Waits until `child` has left our user namespace, gives the new one its map and returns a descriptor of it, with
 * which mounts can be idmapped as long as it is open. The caller closes it.
 *
 * @returns undefined when the child ended, or did nothing of the kind within `timeoutMs`.
 * @throws the error of writing a map: EPERM when the namespace has one already.
 */
export async function mapUserNamespace(
  child: ProcessRef,
  { first, count }: IdRange,
  timeoutMs: number,
): Promise<number | undefined> {
  const proc = `/proc/${child.pid}`
  const ours = readlinkSync('/proc/self/ns/user')
  const deadline = Date.now() + timeoutMs
  while (namespaceOf(proc) === ours || namespaceOf(proc) === undefined) {
    if (!isAlive(child) || Date.now() > deadline) return undefined
    await Bun.sleep(1)
  }
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`${proc}/${map}`, `0 ${first} ${count}\n`)
  return openSync(`${proc}/ns/user`, 'r')
}

function namespaceOf(proc: string): string | undefined {
  try {
    return readlinkSync(`${proc}/ns/user`)
  } catch {
    return undefined
  }
}
