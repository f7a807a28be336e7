import { KataError } from '../../errors.ts'
import { differs, type PostureRow } from '../../rootless/posture/posture-check.ts'
import { readWaitingFacts, waitingFacts } from '../../sandbox/pool/pool.ts'
import { type AuditedProcess, auditSandbox } from '../../sandbox/records/audit.ts'
import { readFacts } from '../../sandbox/records/facts.ts'
import { listSandboxes, listWaiting } from '../../sandbox/records/gc.ts'
import type { OpenWall } from '../../sandbox/records/open-walls.ts'
import { poolName, type SandboxPaths } from '../../sandbox/records/paths.ts'
import { tellError } from '../explain.ts'
import { coloured } from '../output/colour.ts'
import { render } from '../output/format.ts'
import { type Paint, table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

interface Audited {
  readonly namespace: string
  readonly id: string
  readonly processes: readonly AuditedProcess[]
  /** No difference: its processes are as they were asked to be, with these walls left out. */
  readonly openWalls: readonly OpenWall[]
}

/** Longest value in the table for people; a value that differs is shown whole. */
const longestValue = 44

/**
 * All running sandboxes when none is named, and the machines that wait for pods. Those that are just being started or ended do not count, nor
 * does a machine that a pod is taking. Exit code 1 when anything differs or a sandbox cannot be read.
 */
export async function audit(settings: Settings, names: readonly string[]): Promise<number> {
  const results: Audited[] = []
  let failed = false
  for (const { namespace, id, paths, openWalls, isThere } of chosen(settings, names)) {
    try {
      const processes = await auditSandbox(id, paths, settings.log)
      if (isThere()) results.push({ namespace, id, processes, openWalls: openWalls() })
    } catch (error) {
      if (names.length === 0 && error instanceof KataError && error.code === 'SANDBOX_NOT_RUNNING') continue
      tellError(settings, error)
      failed = true
    }
  }
  if (results.length === 0 && !failed) settings.tell('no sandbox is running')
  settings.print(render(settings.format, results, (list) => list.map(auditText).join('\n')))
  const differing = results.some(({ processes }) => processes.some(({ differences }) => differences > 0))
  return failed || differing ? 1 : 0
}

interface Auditable {
  readonly namespace: string
  readonly id: string
  readonly paths: SandboxPaths
  openWalls(): readonly OpenWall[]
  /** False for a machine that waited, once a pod has it. */
  isThere(): boolean
}

/** A name is an id, or `namespace/id`. @throws KataError SANDBOX_NOT_RUNNING. */
function chosen({ runDir, log }: Settings, names: readonly string[]): readonly Auditable[] {
  const sandboxes = listSandboxes(runDir, log).map((sandbox) => ({
    ...sandbox,
    openWalls: () => readFacts(sandbox.paths.facts)?.openWalls ?? [],
    isThere: () => true,
  }))
  const waiting = listWaiting(runDir, log).map(({ id, paths }) => ({
    namespace: poolName,
    id,
    // It has those of a sandbox once it is a pod's.
    paths: { ...paths, facts: waitingFacts(paths) },
    openWalls: () => readWaitingFacts(paths)?.openWalls ?? [],
    isThere: () => listWaiting(runDir).some((still) => still.id === id),
  }))
  const all: readonly Auditable[] = [...sandboxes, ...waiting]
  if (names.length === 0) return all
  return names.flatMap((name) => {
    const found = all.filter(({ namespace, id }) => name === id || name === `${namespace}/${id}`)
    if (found.length === 0) throw new KataError('SANDBOX_NOT_RUNNING', { id: name })
    return found
  })
}

/** For people. */
export function auditText({ namespace, id, processes, openWalls }: Audited): string {
  const open = openWalls
    .map(({ wall, what }) => `${coloured(`! open wall ${wall}: ${what}`, 'warning')}\n`)
    .join('')
  const parts = processes.map(({ name, pid, rows, differences }) => {
    const found = table(['', 'FIELD', 'EXPECTED', 'ACTUAL'], alike(rows).map(cells), undefined, paint)
    return `${name}, process ${pid}: ${verdict(differences)}\n${found}`
  })
  return `sandbox ${namespace}/${id}\n${open}\n${parts.join('\n')}`
}

function verdict(differences: number): string {
  if (differences === 0) return coloured('as asked for', 'good')
  return coloured(differences === 1 ? '1 DIFFERENCE' : `${differences} DIFFERENCES`, 'bad')
}

/** Paints all of a row that differs but what was expected. */
const paint: Paint = (cell, column, [mark]) =>
  mark === '!' && column !== 'EXPECTED' ? coloured(cell, 'bad') : cell

/** Threads with the same value of a field are one row. */
function alike(rows: readonly PostureRow[]): { row: PostureRow; threads: number }[] {
  const merged = new Map<string, { row: PostureRow; threads: number }>()
  for (const row of rows) {
    const key = JSON.stringify([row.field, row.expected, row.actual])
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { row, threads: row.tid === undefined ? 0 : 1 })
    else known.threads += 1
  }
  return [...merged.values()]
}

function cells({ row, threads }: { row: PostureRow; threads: number }): string[] {
  const isWrong = differs(row)
  const show = (value: string) =>
    isWrong || value.length <= longestValue ? value || '(none)' : `${value.slice(0, longestValue - 3)}...`
  const field = threads < 2 ? row.field : `${row.field} (${threads} threads)`
  return [isWrong ? '!' : '', field, show(row.expected), show(row.actual)]
}
