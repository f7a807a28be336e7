/**
 * `kata-ts audit`: compares every process of a running sandbox with the posture that was asked for, as the kernel shows it
 * now. The start makes the same comparison.
 */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { readOomScore } from '../../linux/processes/oom-score.ts'
import { isAlive, type ProcessRef, readProc, readStatus } from '../../linux/processes/proc.ts'
import { processesOfBlock } from '../../linux/processes/uid-processes.ts'
import type { Logger } from '../../log.ts'
import { hostTables } from '../../network/uplink/host-rules.ts'
import { leaseResource } from '../../rootless/identity/lease.ts'
import type { UidBlock } from '../../rootless/identity/uid-range.ts'
import { shimScore } from '../../rootless/jail/oom-score.ts'
import { readNamespaces, readPosture } from '../../rootless/posture/posture.ts'
import {
  describePosture,
  differs,
  oomScoreRow,
  type PostureRow,
} from '../../rootless/posture/posture-check.ts'
import { type PostureRecord, readPostureRecords } from '../../rootless/posture/posture-record.ts'
import { describeShimRights } from '../../rootless/shim-rights.ts'
import { sleep } from '../../time.ts'
import { openLedger, ownerOf } from '../end/teardown.ts'
import type { SandboxPaths } from './paths.ts'

export interface AuditedProcess {
  /**
   * `vmm`, `virtiofsd`, `virtiofsd-worker`, the same with `virtiofsd-volumes`, `netns-holder`, `stand-in-1` and so on, `swtpm`, `shim`; `vmm-waiter` and the like
   * for the process that started it in our jail and waits for it; around Firecracker `vmm-holder` and `vmm-first`, the first process of its outer pid namespace;
   * `unknown` for a process that was not asked for.
   */
  readonly name: string
  readonly pid: number
  readonly rows: readonly PostureRow[]
  /** How many of the rows differ. */
  readonly differences: number
}

/**
 * How many readings must show a difference before it counts, and the pause between them in milliseconds. A thread of virtiofsd has the ids of
 * a guest's user while it makes a file, and a descriptor may be open for a moment.
 */
const [readings, betweenMs] = [10, 20]

/** @throws KataError SANDBOX_NOT_RUNNING for one that is not there, not yet complete, or ended meanwhile. */
export async function auditSandbox(id: string, paths: SandboxPaths, log: Logger): Promise<AuditedProcess[]> {
  const ledger = openLedger(paths, log)
  const shim = isRunning(paths) ? ownerOf(ledger) : undefined
  if (shim === undefined) throw new KataError('SANDBOX_NOT_RUNNING', { id })
  const audited = [
    ...(await auditRecords(paths.stateDir)),
    await auditProcess('shim', shim, () => shimRows(shim.pid)),
    ...strangers(readPostureRecords(paths.stateDir), ledger.dataOf(leaseResource)),
  ]
  const isRight = audited.every(({ differences }) => differences === 0)
  if (!isRight && !isRunning(paths)) throw new KataError('SANDBOX_NOT_RUNNING', { id })
  return audited
}

/** Its facts are written when it is complete, and its postures forgotten when it is about to end. */
function isRunning({ facts, stateDir }: SandboxPaths): boolean {
  return existsSync(facts) && readPostureRecords(stateDir).length > 0
}

/** The processes whose posture is written down in a state directory. `walled` tells which users have rules in the host's packet filter. */
export async function auditRecords(
  stateDir: string,
  walled: () => Promise<readonly number[]> = usersWithHostRules,
): Promise<AuditedProcess[]> {
  const audited: AuditedProcess[] = []
  const records = readPostureRecords(stateDir)
  const users = records.some(hasHostRules) ? await walled() : []
  for (const record of records) {
    const more = hasHostRules(record) ? [hostRulesRow(record.expected.uid, users)] : []
    audited.push(await auditProcess(record.name, record.ref, () => [...rowsOf(record), ...more]))
  }
  return audited
}

const usersWithHostRules = async (): Promise<number[]> => (await hostTables()).map(({ uid }) => uid)

/** It is in the host's network. */
const hasHostRules = ({ name }: PostureRecord): boolean => name === 'pasta'

/** Flushing the host's packet filter removes them. */
function hostRulesRow(uid: number, users: readonly number[]): PostureRow {
  return { field: 'host rules', expected: 'there', actual: users.includes(uid) ? 'there' : 'gone' }
}

/** A process that has ended, or whose pid belongs to another one by now, is a difference too. */
async function auditProcess(
  name: string,
  ref: ProcessRef,
  read: () => PostureRow[],
): Promise<AuditedProcess> {
  let rows: PostureRow[] = []
  for (let reading = 0; reading < readings; reading++) {
    if (reading > 0) await sleep(betweenMs)
    rows = isAlive(ref) ? read() : [gone]
    if (!rows.some(differs)) break
  }
  return { name, pid: ref.pid, rows, differences: rows.filter(differs).length }
}

const gone: PostureRow = { field: 'process', expected: 'running', actual: 'gone' }

function rowsOf({ ref, expected, landlock }: PostureRecord): PostureRow[] {
  try {
    const rows = describePosture(expected, readPosture(ref.pid))
    if (landlock === undefined) return rows
    // A process without Landlock runs only where that was accepted.
    return [...rows, { field: 'landlock', expected: landlock, actual: landlock }]
  } catch (error) {
    if (error instanceof KataError && error.code === 'PROCESS_GONE') return [gone]
    throw error
  }
}

function shimRows(pid: number): PostureRow[] {
  const mnt = readNamespaces(`/proc/${pid}`)?.mnt
  if (mnt === undefined) return [gone]
  const actual = mnt === readNamespaces('/proc/self')?.mnt ? 'host' : 'own'
  return [
    ...threadRows(pid),
    { field: 'namespaces.mnt', expected: 'own', actual },
    oomScoreRow(shimScore, readOomScore(pid) ?? Number.NaN),
  ]
}

/** Threads that end meanwhile are left out. */
function threadRows(pid: number): PostureRow[] {
  return namesIn(`/proc/${pid}/task`).flatMap((tid) => {
    const status = readStatus(`/proc/${pid}/task/${tid}/status`)
    return status === undefined ? [] : describeShimRights(status, Number(tid))
  })
}

/**
 * Other processes of the sandbox's users: only the recorded ones have a reason to run. A virtiofsd that was taken over may take every id of the
 * sandbox's block.
 */
function strangers(records: readonly PostureRecord[], leases: readonly UidBlock[]): AuditedProcess[] {
  const known = new Set(records.map(({ ref }) => ref.pid))
  const uids = [...new Set(records.map(({ expected }) => expected.uid))].filter((uid) => uid !== 0)
  const ranges = [...uids.map((uid) => ({ first: uid, uid })), ...leases]
  const found = ranges.flatMap(({ first, uid }) => processesOfBlock(first, uid).map(({ pid }) => pid))
  const pids = [...new Set(found)].filter((pid) => !known.has(pid))
  return pids.map((pid) => {
    const actual = readProc(`/proc/${pid}/comm`)?.trim() ?? 'gone'
    return {
      name: 'unknown',
      pid,
      rows: [{ field: 'process', expected: 'none', actual }],
      differences: 1,
    }
  })
}
