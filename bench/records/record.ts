/** What a benchmark measured, kept in bench/results for the tables and plots of docs/benchmarks.md. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Result, ResultTable } from '../report.ts'
import type { BenchmarkName } from './names.ts'

/** Name of a record: the benchmark, with `.kvm` behind it when the guest ran under KVM. */
export type RecordName = BenchmarkName | `${BenchmarkName}.kvm`

export interface BenchRecord {
  readonly benchmark: BenchmarkName
  readonly conditions: Conditions
  /** What was measured, in one sentence. */
  readonly what: string
  /** As they were printed. */
  readonly tables: readonly ResultTable[]
  /** Conclusions, each a sentence or more. */
  readonly notes: readonly string[]
  /** Everything measured; plots are drawn of it. */
  readonly data: Readonly<Record<string, unknown>>
}

/** What a reader must know to judge the figures. Absent is what a figure of older days does not tell. */
export interface Conditions {
  /** UTC, as ISO 8601 writes it; the day alone in older records. */
  readonly date: string
  /** That the executable was built of. */
  readonly commit?: string
  readonly machine: Machine
  /** One-minute load average. */
  readonly load?: { readonly start: number; readonly end?: number }
  /** Share of all processors that other work took, right before and right after. */
  readonly busy?: { readonly start: number; readonly end: number }
  /** Share of all processors that the hypervisor below gave to other machines meanwhile. */
  readonly stolen?: number
  /** The machine had other work to do, and the figures were recorded all the same. */
  readonly wasBusy?: true
  /** On the lab host (docs/design/lab.md), whose processor is emulated. */
  readonly inLab?: true
  /** Where the figures come from when no `--record` wrote them. */
  readonly transcribed?: string
}

export interface Machine {
  readonly cpuModel: string
  readonly cpus?: number
  /** With its unit. */
  readonly memory?: string
  readonly kernel: string
  /** Version of the VMM. */
  readonly qemu: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly guest: { readonly vcpus: number; readonly memoryMiB: number }
}

export const recordsDir = join(import.meta.dir, '../results')

export function recordName({
  benchmark,
  conditions,
}: Pick<BenchRecord, 'benchmark' | 'conditions'>): RecordName {
  return conditions.machine.accelerator === 'kvm' ? `${benchmark}.kvm` : benchmark
}

export function recordOf(
  benchmark: BenchmarkName,
  { what, tables, notes, data }: Result,
  conditions: Conditions,
): BenchRecord {
  return { benchmark, conditions, what, tables, notes, data: data as BenchRecord['data'] }
}

/** Replaces the record of that name as a whole. Returns its path. */
export function writeRecord(record: BenchRecord, directory: string = recordsDir): string {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${recordName(record)}.json`)
  writeFileSync(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`)
  renameSync(`${path}.tmp`, path)
  return path
}

/** All records by their names. @throws Error naming a file whose content belongs to another name. */
export function readRecords(directory: string = recordsDir): ReadonlyMap<string, BenchRecord> {
  if (!existsSync(directory)) return new Map()
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'))
  return new Map(
    files.sort().map((file) => {
      const record = JSON.parse(readFileSync(join(directory, file), 'utf8')) as BenchRecord
      if (file !== `${recordName(record)}.json`)
        throw new Error(`${join(directory, file)} holds the record of ${recordName(record)}`)
      return [recordName(record), record]
    }),
  )
}
