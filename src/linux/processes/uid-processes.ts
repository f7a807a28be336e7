/** Processes by the user they belong to, and their end. */
import { realClock } from '../../time.ts'
import { listPids, type ProcessRef, processRef, readProc, readStatus, statusHasEnded } from './proc.ts'
import { runTool } from './run-tool.ts'
import { signalProcess, waitGone } from './signal.ts'
import { systemTool } from './which.ts'

/** A live process and its real uid. */
export interface UidProcess {
  readonly pid: number
  readonly uid: number
}

/** Live (non-zombie) processes. Read from status, as in {@link processesOfUid}. */
function liveProcesses(): UidProcess[] {
  return listPids().flatMap((pid) => {
    const uid = uidOf(pid)
    return uid === undefined ? [] : [{ pid, uid }]
  })
}

/** Live (non-zombie) processes whose real uid lies in `first`..`last`. */
export function processesOfUids(first: number, last: number): UidProcess[] {
  return liveProcesses().filter(({ uid }) => uid >= first && uid <= last)
}

/** The real uid of a live process; undefined when it has ended. */
function uidOf(pid: number): number | undefined {
  const status = readStatus(`/proc/${pid}/status`)
  if (status === undefined || statusHasEnded(status)) return undefined
  return Number(status.get('Uid')?.split('\t')[0])
}

/** Undefined if the process has ended. Another user's process may have the number by now, and must not be killed. */
function refOf({ pid, uid }: UidProcess): ProcessRef | undefined {
  const ref = processRef(pid)
  return uidOf(pid) === uid ? ref : undefined
}

/** No account of the host has an id from here on; user namespaces of ours have ids there. */
const upperHalf = 2 ** 31

/**
 * Whether the process is in a user namespace of only these ids, including the first. A compromised program in such a namespace can have each of
 * them. Other processes with an id between the first and the last belong to a person to whom a directory (SSSD, winbind) assigned it; a user
 * namespace of that person (`unshare -r`, a browser) maps only that id.
 */
function isMappedTo(pid: number, first: number, last: number): boolean {
  const lines = readProc(`/proc/${pid}/uid_map`)?.trim().split('\n') ?? []
  const mapped = lines.map((line) => {
    const [, from = 0, count = 0] = line.trim().split(/ +/).map(Number)
    return { from, to: from + count - 1 }
  })
  const isWithin = ({ from, to }: { from: number; to: number }) =>
    from >= upperHalf || (from >= first && to <= last)
  return mapped.some(({ from }) => from === first) && mapped.every(isWithin)
}

/**
 * The processes of one of our blocks: with its first id, its last id, or any other id of a user namespace of the block. The user namespace of a
 * virtiofsd also maps ids of the upper half, and a compromised one may have any of them.
 */
export function processesOfBlock(first: number, last: number): UidProcess[] {
  const mayBe = (uid: number) => (uid > first && uid < last) || uid >= upperHalf
  return liveProcesses().filter(
    ({ pid, uid }) => uid === first || uid === last || (mayBe(uid) && isMappedTo(pid, first, last)),
  )
}

/** Time for the killer that becomes the user, in milliseconds: the user may stop the killer, but cannot block signals of this process. */
const killerMs = 500

/**
 * Kills all of {@link processesOfBlock}, and waits for them. This process kills each of them, which they cannot prevent; the first process of a
 * pid namespace takes the whole namespace along. Besides, kill(-1) as the first or the last user itself reaches all at once, so that none
 * escapes by forking, and reaches no process of another user.
 *
 * @returns whether none is left. Ids below 65536 belong to people and services, and are never touched.
 */
export async function killUids(first: number, last: number, timeoutMs = 5000): Promise<boolean> {
  if (!(first >= 65536 && last >= first)) return false
  const deadline = realClock.now() + timeoutMs
  const isEnd = (uid: number) => uid === first || uid === last
  const look = () => processesOfBlock(first, last)
  for (let found = look(); found.length > 0; found = look()) {
    if (realClock.now() > deadline) return false
    const refs = found.flatMap((each) => refOf(each) ?? [])
    for (const ref of refs) signalProcess(ref, 'SIGKILL')
    for (const uid of new Set(found.map((process) => process.uid)))
      if (isEnd(uid)) await killEveryProcessOf(uid)
    for (const ref of refs) await waitGone(ref, Math.max(deadline - realClock.now(), 0))
  }
  return true
}

async function killEveryProcessOf(uid: number): Promise<void> {
  const setpriv = systemTool('setpriv')
  const asUser = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--no-new-privs', '--']
  await runTool([setpriv, ...asUser, systemTool('sh'), '-c', 'kill -KILL -1'], {
    timeoutMs: killerMs,
  })
}
