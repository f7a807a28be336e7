import { wasOomKilled } from '../../bundle/oom-killed.ts'
import { readFacts, type SandboxFacts } from '../../sandbox/records/facts.ts'
import { listSandboxes } from '../../sandbox/records/gc.ts'
import type { OpenWall } from '../../sandbox/records/open-walls.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { listExternal, pathsOf, sandboxOf } from '../client/external.ts'
import { type ContainerRecord, listNamespaces, listRecords, readRecord } from '../client/record.ts'
import { type Observation, observe } from '../client/status.ts'
import type { PsFlags } from '../commands/ps.ts'
import { tellError } from '../explain.ts'
import { coloured } from '../output/colour.ts'
import { shortDuration } from '../output/duration.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Labels } from '../parse/labels.ts'
import { parseFilters } from '../parse/ps-filter.ts'
import type { Settings } from '../settings.ts'

/** One line of `ps`. */
export interface Listed {
  readonly id: string
  readonly namespace: string
  readonly status: Observation['status']
  readonly exitCode: number | null
  /** The guest's kernel killed a process of it for want of memory. */
  readonly oomKilled: boolean
  readonly image: string
  readonly command: readonly string[]
  readonly createdAt: string
  readonly labels: Labels
  readonly shimPid: number | null
  readonly vmmPid: number | null
  /** `kvm` or `tcg`, of a machine that is up. */
  readonly accelerator: string | null
  readonly acceleratorReason: string | null
  /** The open walls around it. */
  readonly openWalls: readonly OpenWall[] | null
}

export async function ps(
  settings: Settings,
  { running, quiet, allNamespaces, filter = [] }: PsFlags,
): Promise<number> {
  const passes = parseFilters(filter)
  const records = namespacesOf(settings, allNamespaces === true).flatMap((namespace) =>
    readAll({ ...settings, namespace }),
  )
  const all = await Promise.all(
    records.map(async (record) => listed(settings, record, await observe(record))),
  )
  const isRunning = ({ status }: Listed) => status === 'running' || status === 'paused'
  const shown = all.filter((container) => passes(container) && (!running || isRunning(container)))
  const { windowSize } = await import('../../linux/terminal.ts')
  const layout = { now: Date.now(), withNamespace: allNamespaces === true, width: windowSize(1)?.columns }
  settings.print(render(settings.format, shown, (list) => (quiet ? names(list) : asTable(list, layout))))
  return 0
}

/**
 * Our own records that can be read, and the containers of other clients. A record that cannot be read is reported
 * and does not hide the others.
 */
function readAll(settings: Settings): ContainerRecord[] {
  const { stateDir, namespace } = settings
  const own = listRecords(stateDir, namespace).flatMap((id) => {
    try {
      return [readRecord(stateDir, namespace, id)]
    } catch (error) {
      tellError(settings, error)
      return []
    }
  })
  return [...own, ...listExternal(settings)]
}

/** What the shim wrote down of the machine that the container is in; told when it cannot be read. */
function factsOf(settings: Settings, record: ContainerRecord): SandboxFacts | undefined {
  try {
    return readFacts(sandboxPaths(settings.runDir, record.namespace, sandboxOf(record)).facts)
  } catch (error) {
    tellError(settings, error)
    return undefined
  }
}

/** With `--all-namespaces`: every namespace that has a record or a sandbox. */
function namespacesOf(settings: Settings, all: boolean): string[] {
  if (!all) return [settings.namespace]
  const live = listSandboxes(settings.runDir, settings.log).map(({ namespace }) => namespace)
  return [...new Set([...listNamespaces(settings.stateDir), ...live])].sort()
}

function listed(settings: Settings, record: ContainerRecord, seen: Observation): Listed {
  const { id, namespace, image, command, createdAt, labels = {} } = record
  const facts = seen.vmmPid === undefined ? undefined : factsOf(settings, record)
  return {
    ...{ id, namespace, status: seen.status, exitCode: seen.exitCode ?? null, image, command, createdAt },
    labels,
    oomKilled: wasOomKilled(pathsOf(settings, record).bundle),
    shimPid: seen.shimPid ?? null,
    vmmPid: seen.vmmPid ?? null,
    accelerator: facts?.accelerator ?? null,
    acceleratorReason: facts?.acceleratorReason ?? null,
    openWalls: facts?.openWalls ?? null,
  }
}

function names(list: readonly Listed[]): string {
  return list.map(({ id }) => `${id}\n`).join('')
}

/** `width` is that of the terminal; without one lines are as long as they are. */
export function asTable(
  list: readonly Listed[],
  { now, withNamespace, width }: { now: number; withNamespace: boolean; width: number | undefined },
): string {
  const rows = list.map(({ id, namespace, image, command, createdAt, ...live }) => [
    ...(withNamespace ? [namespace] : []),
    id,
    statusText(live),
    shortDuration(now - Date.parse(createdAt)),
    live.vmmPid === null ? '-' : String(live.vmmPid),
    live.accelerator ?? '-',
    live.openWalls?.map(({ wall }) => wall).join(',') || '-',
    image,
    command.join(' '),
  ])
  const columns = ['NAME', 'STATUS', 'AGE', 'VMM', 'ACCELERATOR', 'OPEN WALLS', 'ROOTFS', 'COMMAND']
  return table([...(withNamespace ? ['NAMESPACE'] : []), ...columns], rows, width, (cell, column) =>
    column === 'OPEN WALLS' && cell !== '-' ? coloured(cell, 'warning') : cell,
  )
}

/** `stopped (137, OOM)`: gives the reason for a kill by the kernel. */
function statusText({
  status,
  exitCode,
  oomKilled,
}: Pick<Listed, 'status' | 'exitCode' | 'oomKilled'>): string {
  if (exitCode === null) return status
  return `${status} (${exitCode}${oomKilled && exitCode !== 0 ? ', OOM' : ''})`
}
