import { isTerminal } from '../../../linux/is-terminal.ts'
import { sleep } from '../../../time.ts'
import { listExternal } from '../../client/external.ts'
import { type ContainerRecord, listRecords } from '../../client/record.ts'
import { observe } from '../../client/status.ts'
import { TaskClient } from '../../client/task.ts'
import { parseUsage, type Usage } from '../../client/usage.ts'
import { tellError } from '../../explain.ts'
import { render } from '../../output/format.ts'
import { byteSize } from '../../output/size.ts'
import { table } from '../../output/table.ts'
import { compileRows } from '../../output/template/rows.ts'
import type { Settings } from '../../settings.ts'
import { findRecord } from '../containers.ts'

/** Between two looks, milliseconds. */
const periodMs = 1000
/** Where a terminal begins to show the next table: at its upper left corner, with nothing below. */
const clearScreen = '\x1b[H\x1b[J'

interface Sample {
  readonly at: number
  readonly usage: Usage
}

/** One line. Memory is in bytes; a processor that is always busy is 100 percent. */
export interface Used {
  readonly id: string
  readonly cpuPercent: number
  readonly memoryBytes: number
  readonly memoryLimit: number | null
  readonly processes: number
}

/** Ends when none of the containers runs any more, or its output is closed. */
export async function stats(
  settings: Settings,
  { stream }: { stream: boolean },
  names: readonly string[],
): Promise<number> {
  const template =
    settings.template === undefined
      ? undefined
      : compileRows(settings.template, { titles: statsTitles, usual: usualColumns })
  // Names that are not there are told once, and no table is shown.
  for (const name of names) findRecord(settings, name)
  const before = stream && settings.format === 'text' && isTerminal(1) ? clearScreen : ''
  let last = await sampleAll(settings, names)
  do {
    await sleep(periodMs)
    const next = await sampleAll(settings, names)
    const lines = [...next].flatMap(([id, sample]) => used(id, sample, last.get(id)) ?? [])
    if (
      !settings.print(
        before + render(settings.format, lines, (list) => template?.(list.map(statsRow)) ?? asTable(list)),
      )
    )
      return 0
    last = next
  } while (stream && last.size > 0)
  return 0
}

/** A sample of each running container; without names, of all in the namespace. */
async function sampleAll(settings: Settings, names: readonly string[]): Promise<Map<string, Sample>> {
  const records = names.length > 0 ? names.flatMap((name) => found(settings, name)) : allRecords(settings)
  const samples = await Promise.all(
    records.map(async (record) => [record.id, await sample(settings, record)] as const),
  )
  return new Map(samples.filter((entry): entry is [string, Sample] => entry[1] !== undefined))
}

function allRecords(settings: Settings): ContainerRecord[] {
  const { stateDir, namespace } = settings
  const own = listRecords(stateDir, namespace).flatMap((id) => found(settings, id))
  return [...own, ...listExternal(settings)]
}

/** Nothing when it was removed meanwhile. */
function found(settings: Settings, name: string): ContainerRecord[] {
  try {
    return [findRecord(settings, name)]
  } catch (error) {
    settings.log.debug('a container without statistics', { name, error })
    return []
  }
}

async function sample(settings: Settings, record: ContainerRecord): Promise<Sample | undefined> {
  const { status } = await observe(record)
  if ((status !== 'running' && status !== 'paused') || record.address === undefined) return undefined
  let task: TaskClient | undefined
  try {
    task = await TaskClient.connect(record.address, record.namespace, record.id)
    return { at: performance.now(), usage: parseUsage(await task.stats()) }
  } catch (error) {
    // One that ended just now has none.
    if ((await observe(record)).status !== 'stopped') tellError(settings, error)
    return undefined
  } finally {
    task?.close()
  }
}

function used(id: string, { at, usage }: Sample, before: Sample | undefined): Used | undefined {
  if (before === undefined) return undefined
  const micros = Number(usage.cpuMicros - before.usage.cpuMicros)
  return {
    id,
    cpuPercent: Math.max(0, Math.round(micros / (at - before.at)) / 10),
    memoryBytes: Number(usage.memoryBytes),
    memoryLimit: usage.memoryLimit === undefined ? null : Number(usage.memoryLimit),
    processes: Number(usage.processes),
  }
}

const usualColumns = '{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.PIDs}}'
const statsTitles = {
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  PIDs: 'PIDS',
}

/** A row of `docker stats`. */
function statsRow(used: Used): Record<keyof typeof statsTitles, string> {
  const { id, cpuPercent, memoryBytes, memoryLimit, processes } = used
  const share = memoryLimit === null ? '--' : `${((memoryBytes / memoryLimit) * 100).toFixed(2)}%`
  return {
    Container: id,
    ID: id,
    Name: id,
    CPUPerc: `${cpuPercent.toFixed(2)}%`,
    MemUsage: `${byteSize(memoryBytes)} / ${memoryLimit === null ? '--' : byteSize(memoryLimit)}`,
    MemPerc: share,
    PIDs: String(processes),
  }
}

function asTable(lines: readonly Used[]): string {
  return table(
    ['NAME', 'CPU %', 'MEMORY', 'LIMIT', 'PIDS'],
    lines.map(({ id, cpuPercent, memoryBytes, memoryLimit, processes }) => [
      id,
      cpuPercent.toFixed(1),
      byteSize(memoryBytes),
      memoryLimit === null ? '-' : byteSize(memoryLimit),
      String(processes),
    ]),
  )
}
