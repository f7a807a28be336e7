import { describeError } from '../../errors.ts'
import { readFacts, type SandboxFacts } from '../../sandbox/facts.ts'
import { listSandboxes } from '../../sandbox/gc.ts'
import { sandboxPaths } from '../../sandbox/paths.ts'
import { listForeign, sandboxOf } from '../client/foreign.ts'
import { type ContainerRecord, listNamespaces, listRecords, readRecord } from '../client/record.ts'
import { type Observation, observe } from '../client/status.ts'
import type { PsFlags } from '../commands/ps.ts'
import { shortDuration } from '../output/duration.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'

/** One line of `ps`. */
export interface Listed {
  readonly id: string
  readonly namespace: string
  readonly status: Observation['status']
  readonly exitCode: number | null
  readonly image: string
  readonly command: readonly string[]
  readonly createdAt: string
  readonly shimPid: number | null
  readonly vmmPid: number | null
  /** `kvm` or `tcg`, of a machine that is up. */
  readonly accelerator: string | null
  readonly acceleratorReason: string | null
}

export async function ps(settings: Settings, { running, quiet, allNamespaces }: PsFlags): Promise<number> {
  const records = namespacesOf(settings, allNamespaces === true).flatMap((namespace) =>
    readAll({ ...settings, namespace }),
  )
  const all = await Promise.all(
    records.map(async (record) => listed(settings, record, await observe(record))),
  )
  const shown = running ? all.filter(({ status }) => status === 'running' || status === 'paused') : all
  const now = Date.now()
  settings.print(
    render(settings.format, shown, (list) =>
      quiet ? names(list) : asTable(list, now, allNamespaces === true),
    ),
  )
  return 0
}

/**
 * Our own records that can be read, and the containers of other clients. A record that cannot be read is told about
 * and does not hide the others.
 */
function readAll(settings: Settings): ContainerRecord[] {
  const { stateDir, namespace, tell } = settings
  const own = listRecords(stateDir, namespace).flatMap((id) => {
    try {
      return [readRecord(stateDir, namespace, id)]
    } catch (error) {
      tell(describeError(error))
      return []
    }
  })
  return [...own, ...listForeign(settings)]
}

/** What the shim wrote down of the machine that the container is in. */
function factsOf({ runDir }: Settings, record: ContainerRecord): SandboxFacts | undefined {
  return readFacts(sandboxPaths(runDir, record.namespace, sandboxOf(record)).facts)
}

/** With `--all-namespaces` every one that has a record or a sandbox. */
function namespacesOf(settings: Settings, all: boolean): string[] {
  if (!all) return [settings.namespace]
  const live = listSandboxes(settings.runDir, settings.log).map(({ namespace }) => namespace)
  return [...new Set([...listNamespaces(settings.stateDir), ...live])].sort()
}

function listed(settings: Settings, record: ContainerRecord, seen: Observation): Listed {
  const { id, namespace, image, command, createdAt } = record
  const facts = seen.vmmPid === undefined ? undefined : factsOf(settings, record)
  return {
    ...{ id, namespace, status: seen.status, exitCode: seen.exitCode ?? null, image, command, createdAt },
    shimPid: seen.shimPid ?? null,
    vmmPid: seen.vmmPid ?? null,
    accelerator: facts?.accelerator ?? null,
    acceleratorReason: facts?.acceleratorReason ?? null,
  }
}

function names(list: readonly Listed[]): string {
  return list.map(({ id }) => `${id}\n`).join('')
}

function asTable(list: readonly Listed[], now: number, withNamespace: boolean): string {
  const rows = list.map(({ id, namespace, status, exitCode, image, command, createdAt, ...live }) => [
    ...(withNamespace ? [namespace] : []),
    id,
    exitCode === null ? status : `${status} (${exitCode})`,
    shortDuration(now - Date.parse(createdAt)),
    live.vmmPid === null ? '-' : String(live.vmmPid),
    live.accelerator ?? '-',
    image,
    shorten(command.join(' ')),
  ])
  const columns = ['NAME', 'STATUS', 'AGE', 'VMM', 'ACCELERATOR', 'ROOTFS', 'COMMAND']
  return table([...(withNamespace ? ['NAMESPACE'] : []), ...columns], rows)
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
