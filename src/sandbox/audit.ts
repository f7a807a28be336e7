/**
 * `kata-ts audit`: every process of a running sandbox, as it was asked to be and as the kernel says it is now. The same
 * comparison that guards the start, at any later time.
 */
import { readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { isAlive, readStatus } from '../linux/proc.ts'
import { readNamespaces, readPosture } from '../rootless/posture.ts'
import { describePosture, differs, type PostureRow } from '../rootless/posture-check.ts'
import { type PostureRecord, readPostureRecords } from '../rootless/posture-record.ts'
import { describeShimRights } from '../rootless/shim-rights.ts'
import type { SandboxFacts } from './facts.ts'
import type { SandboxPaths } from './paths.ts'

export interface AuditedProcess {
  /** `vmm`, `virtiofsd`, `virtiofsd-worker`, `shim`. */
  readonly name: string
  readonly pid: number
  readonly rows: readonly PostureRow[]
  /** How many of the rows differ. */
  readonly differences: number
}

/** @throws KataError SANDBOX_NOT_RUNNING for one that is not there or not yet complete. */
export function auditSandbox(id: string, paths: SandboxPaths): AuditedProcess[] {
  const { shimPid } = readFacts(id, paths)
  return [
    ...readPostureRecords(paths.stateDir).map((record) =>
      audited(record.name, record.ref.pid, rowsOf(record)),
    ),
    audited('shim', shimPid, shimRows(shimPid)),
  ]
}

function audited(name: string, pid: number, rows: readonly PostureRow[]): AuditedProcess {
  return { name, pid, rows, differences: rows.filter(differs).length }
}

/** A process that ended, or whose number is another's by now, is a difference as well. */
function rowsOf({ ref, expected }: PostureRecord): PostureRow[] {
  const gone: PostureRow = { field: 'process', expected: 'running', actual: 'gone' }
  if (!isAlive(ref)) return [gone]
  try {
    return describePosture(expected, readPosture(ref.pid))
  } catch (error) {
    if (error instanceof KataError && error.code === 'PROCESS_GONE') return [gone]
    throw error
  }
}

function shimRows(pid: number): PostureRow[] {
  const mnt = readNamespaces(`/proc/${pid}`)?.mnt
  const isOwn = mnt !== undefined && mnt !== readNamespaces('/proc/self')?.mnt
  return [
    ...describeShimRights(readStatus(`/proc/${pid}/status`)),
    { field: 'namespaces.mnt', expected: 'own', actual: isOwn ? 'own' : 'host' },
  ]
}

function readFacts(id: string, { facts }: SandboxPaths): SandboxFacts {
  try {
    return JSON.parse(readFileSync(facts, 'utf8')) as SandboxFacts
  } catch (cause) {
    throw new KataError('SANDBOX_NOT_RUNNING', { id }, { cause })
  }
}
