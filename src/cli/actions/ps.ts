import { wasOomKilled } from '../../bundle/oom-killed.ts'
import { treeBytes } from '../../images/store/layer-sizes.ts'
import { readFacts, type SandboxFacts } from '../../sandbox/records/facts.ts'
import { listSandboxes } from '../../sandbox/records/gc.ts'
import { hasLostNetwork } from '../../sandbox/records/lost-network.ts'
import type { OpenWall } from '../../sandbox/records/open-walls.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { writtenDisk } from '../client/disk-root.ts'
import { isExternal, listExternal, pathsOf, sandboxOf } from '../client/external.ts'
import { healthOf } from '../client/life/health-state.ts'
import { isRestartCut } from '../client/life/restart-note.ts'
import { publishedPorts } from '../client/networks/free-ports.ts'
import { type ContainerRecord, listNamespaces, readableRecords, recordPaths } from '../client/record.ts'
import { type Observation, observe } from '../client/status.ts'
import { volumesOf } from '../client/volumes/uses.ts'
import type { PsFlags } from '../commands/ps.ts'
import { tellError } from '../explain.ts'
import { coloured } from '../output/colour.ts'
import { type Listed as DockerListed, dockerRow, dockerTitles, portsText } from '../output/docker-view.ts'
import { shortDuration } from '../output/duration.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { table } from '../output/table.ts'
import { compileRows } from '../output/template/rows.ts'
import { parseWhole } from '../parse/number.ts'
import { parseFilters } from '../parse/ps-filter.ts'
import type { Settings } from '../settings.ts'

/** One line of `ps`. */
export interface Listed extends DockerListed {
  readonly namespace: string
  /** The guest's kernel killed a process of it for want of memory. */
  readonly oomKilled: boolean
  /** Bytes of its own files, with `--size`. */
  readonly sizeBytes: number | null
  readonly shimPid: number | null
  readonly vmmPid: number | null
  /** `kvm` or `tcg`, of a machine that is up. */
  readonly accelerator: string | null
  readonly acceleratorReason: string | null
  /** The open walls around it. */
  readonly openWalls: readonly OpenWall[] | null
  /** The network that we made for it is gone. */
  readonly networkLost: boolean
  /** A `restart` was killed before it had started it again. */
  readonly restartCut: boolean
}

export async function ps(settings: Settings, flags: PsFlags): Promise<number> {
  const { running, quiet, filter = [] } = flags
  const allNamespaces = flags.allNamespaces === true
  const passes = parseFilters(filter)
  const template =
    settings.template === undefined
      ? undefined
      : compileRows(settings.template, { titles: dockerTitles, usual: usualColumns })
  const most = lastOf(flags)
  const records = namespacesOf(settings, allNamespaces).flatMap((namespace) =>
    readAll({ ...settings, namespace }),
  )
  const all = await Promise.all(
    records.map(async (record) => ({
      ...listed(settings, record, await observe(record)),
      sizeBytes: flags.size === true ? sizeOf(settings, record) : null,
    })),
  )
  const isRunning = ({ status }: Listed) => ['running', 'paused', 'restarting'].includes(status)
  const shown = newest(
    all.filter((container) => passes(container) && (!running || isRunning(container))),
    most,
  )
  const { windowSize } = await import('../../linux/terminal.ts')
  const width = flags.trunc ? windowSize(1)?.columns : undefined
  const now = Date.now()
  const asText = (list: readonly Listed[]) => {
    if (quiet) return names(list)
    return (
      template?.(list.map((container) => dockerRow(container, now))) ??
      asTable(list, { now, withNamespace: allNamespaces, width })
    )
  }
  settings.print(render(settings.format, shown, asText))
  return 0
}

/** How many of the newest containers to show; by default all. */
function lastOf({ last, latest }: PsFlags): number {
  if (latest) return 1
  return last === undefined || last === '-1'
    ? Number.POSITIVE_INFINITY
    : parseWhole(last, '--last', 1, 1_000_000)
}

/** In the order of the list. */
function newest(list: readonly Listed[], count: number): readonly Listed[] {
  if (list.length <= count) return list
  const kept = new Set([...list].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, count))
  return list.filter((container) => kept.has(container))
}

const usualColumns = '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}'

/**
 * Our own records that can be read, and the containers of other clients. A record that cannot be read is reported
 * and does not hide the others.
 */
function readAll(settings: Settings): ContainerRecord[] {
  const { stateDir, namespace } = settings
  const own = readableRecords(stateDir, namespace, (error) => tellError(settings, error))
  return [...own, ...listExternal(settings)]
}

interface LiveFacts extends SandboxFacts {
  readonly networkLost: boolean
}

/** What the shim wrote down of the machine that the container is in; told when it cannot be read. */
function factsOf(settings: Settings, record: ContainerRecord): LiveFacts | undefined {
  try {
    const { facts, stateDir } = sandboxPaths(settings.runDir, record.namespace, sandboxOf(record))
    const found = readFacts(facts)
    return found && { ...found, networkLost: hasLostNetwork(stateDir) }
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

/** Null where others keep the files: another client, or the shim, in a copy of the image. */
function sizeOf({ stateDir }: Settings, record: ContainerRecord): number | null {
  if (isExternal(record) || record.isCopied) return null
  const { directory } = recordPaths(stateDir, record.namespace, record.id)
  return treeBytes(record.disks === undefined ? `${directory}/upper` : writtenDisk(directory))
}

function listed(settings: Settings, record: ContainerRecord, seen: Observation): Omit<Listed, 'sizeBytes'> {
  const {
    id,
    namespace,
    image,
    command,
    createdAt,
    startedAt = null,
    finishedAt = null,
    labels = {},
  } = record
  const { bundle } = pathsOf(settings, record)
  const facts = seen.vmmPid === undefined ? undefined : factsOf(settings, record)
  return {
    id,
    namespace,
    status: seen.status,
    exitCode: seen.exitCode ?? null,
    image,
    command,
    createdAt,
    startedAt,
    finishedAt,
    labels,
    volumes: volumesOf({ ...settings, namespace }, bundle),
    ports: publishedPorts(bundle),
    health: isExternal(record) || !isUp(seen) ? null : (healthOf(settings, record)?.status ?? null),
    oomKilled: wasOomKilled(bundle),
    shimPid: seen.shimPid ?? null,
    vmmPid: seen.vmmPid ?? null,
    accelerator: facts?.accelerator ?? null,
    acceleratorReason: facts?.acceleratorReason ?? null,
    openWalls: facts?.openWalls ?? null,
    networkLost: facts?.networkLost ?? false,
    restartCut: isRestartCut(record, seen.status),
  }
}

const isUp = ({ status }: Observation): boolean => status === 'running' || status === 'paused'

function names(list: readonly Listed[]): string {
  return list.map(({ id }) => `${id}\n`).join('')
}

/** `width` is that of the terminal; without one lines are as long as they are. */
export function asTable(
  list: readonly Listed[],
  { now, withNamespace, width }: { now: number; withNamespace: boolean; width: number | undefined },
): string {
  const withSize = list.some(({ sizeBytes }) => sizeBytes !== null)
  const withPorts = list.some(({ ports }) => ports.length > 0)
  const rows = list.map(({ id, namespace, image, command, createdAt, ...live }) => [
    ...(withNamespace ? [namespace] : []),
    id,
    statusText(live),
    shortDuration(now - Date.parse(createdAt)),
    ...(withSize ? [live.sizeBytes === null ? '-' : byteSize(live.sizeBytes)] : []),
    live.vmmPid === null ? '-' : String(live.vmmPid),
    live.accelerator ?? '-',
    live.openWalls?.map(({ wall }) => wall).join(',') || '-',
    ...(withPorts ? [portsText(live.ports) || '-'] : []),
    image,
    command.join(' '),
  ])
  const size = withSize ? ['SIZE'] : []
  const ports = withPorts ? ['PORTS'] : []
  const machine = [...size, 'VMM', 'ACCELERATOR', 'OPEN WALLS']
  const columns = ['NAME', 'STATUS', 'AGE', ...machine, ...ports, 'ROOTFS', 'COMMAND']
  return table([...(withNamespace ? ['NAMESPACE'] : []), ...columns], rows, width, (cell, column) =>
    column === 'OPEN WALLS' && cell !== '-' ? coloured(cell, 'warning') : cell,
  )
}

/** `stopped (137, OOM)`: gives the reason for a kill by the kernel. `running (healthy, network lost)`. */
function statusText({
  status,
  exitCode,
  oomKilled,
  health,
  networkLost,
  restartCut,
}: Pick<Listed, 'status' | 'exitCode' | 'oomKilled' | 'health' | 'networkLost' | 'restartCut'>): string {
  const more = [...(health === null ? [] : [health]), ...(networkLost ? ['network lost'] : [])]
  if (more.length > 0) return `${status} (${more.join(', ')})`
  const cut = restartCut ? ['restart cut'] : []
  const end = exitCode === null ? cut : [exitCode, ...(oomKilled && exitCode !== 0 ? ['OOM'] : []), ...cut]
  return end.length === 0 ? status : `${status} (${end.join(', ')})`
}
