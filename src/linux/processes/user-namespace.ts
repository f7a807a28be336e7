/** User namespaces (user_namespaces(7)) of child processes: their id maps, written by root. */
import { openSync, readlinkSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { lastWords } from '../../plain-text.ts'
import { poll } from '../../time.ts'
import { outputUntil } from './child-output.ts'
import { isAlive, type ProcessRef, processRef } from './proc.ts'
import { systemTool } from './which.ts'

/** Longest that a process may take to make a namespace, milliseconds. */
const startMs = 10_000

/** Host ids, users and groups alike. */
export interface IdRange {
  readonly first: number
  readonly count: number
}

/** One line of a map: the ids `inside`.. of the namespace are the ids `outside`.. of ours. */
export interface IdExtent {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** The lines of a map as user_namespaces(7) has them. */
export function idMapLines(map: readonly IdExtent[]): string[] {
  return map.map(({ inside, outside, count }) => `${inside} ${outside} ${count}`)
}

/**
 * Waits until `child` has left our user namespace, gives the new one its map and returns a descriptor of it, with
 * which mounts can be idmapped as long as it is open. The caller closes it. Groups have the map of users unless `wait` has another.
 *
 * @returns undefined when the child ended, or did nothing of the kind in time.
 * @throws the signal's reason; the error of writing a map: EPERM when the namespace has one already, EINVAL for more than 340 lines.
 */
export async function mapUserNamespace(
  child: ProcessRef,
  map: readonly IdExtent[],
  wait: { timeoutMs: number; signal?: AbortSignal | undefined; groups?: readonly IdExtent[] },
): Promise<number | undefined> {
  const proc = `/proc/${child.pid}`
  const ours = readlinkSync('/proc/self/ns/user')
  const look = () => {
    const theirs = namespaceOf(proc)
    if (theirs !== undefined && theirs !== ours) return 'left'
    return isAlive(child) ? undefined : 'ended'
  }
  if ((await poll(look, wait)) !== 'left') return undefined
  const { groups = map } = wait
  for (const [file, lines] of [
    ['uid_map', map],
    ['gid_map', groups],
  ] as const)
    writeFileSync(`${proc}/${file}`, `${idMapLines(lines).join('\n')}\n`)
  return openSync(`${proc}/ns/user`, 'r')
}

/**
 * A descriptor of a new namespace with this map and no process: it lives as long as the descriptor, or a mount that is mapped by it. The
 * caller closes it.
 *
 * @throws KataError USER_NAMESPACE_REFUSED where the host lets nobody make one.
 */
export async function newUserNamespace(
  map: readonly IdExtent[],
  groups: readonly IdExtent[] = map,
): Promise<number> {
  // Only a process can make one.
  const holder = Bun.spawn([systemTool('unshare'), '--user', '--', systemTool('cat')], {
    cwd: '/',
    env: { LC_ALL: 'C' },
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  try {
    const ref = processRef(holder.pid)
    const namespace = ref && (await mapUserNamespace(ref, map, { timeoutMs: startMs, groups }))
    if (namespace !== undefined) return namespace
    holder.kill('SIGKILL')
    const said = await outputUntil(holder.stderr, holder.exited)
    throw new KataError('USER_NAMESPACE_REFUSED', { reason: lastWords(said) })
  } finally {
    holder.kill('SIGKILL')
    await holder.exited
  }
}

function namespaceOf(proc: string): string | undefined {
  try {
    return readlinkSync(`${proc}/ns/user`)
  } catch {
    return undefined
  }
}
