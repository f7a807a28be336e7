/** Results as data, and as a person reads them. */
import { table } from '../src/cli/output/table.ts'
import type { Summary } from './stats.ts'

export interface Result {
  /** Name of the benchmark, as it is asked for. */
  readonly name: string
  /** What was measured, in one sentence. */
  readonly what: string
  readonly tables: readonly ResultTable[]
  /** Conclusions, each a sentence of its own. */
  readonly notes: readonly string[]
  /** Everything measured, for programs. */
  readonly data: object
}

export interface ResultTable {
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function renderText({ name, what, tables, notes }: Result): string {
  const parts = tables.map(({ header, rows }) => {
    const [first = [], ...others] = alignNumbers([header, ...rows])
    return indent(table(first, others))
  })
  return `\n${name}: ${what}\n\n${parts.join('\n')}${notes.length > 0 ? `\n${indent(notes.join('\n'))}` : ''}`
}

export function renderJson(results: readonly Result[], machine: object): string {
  const data = Object.fromEntries(results.map((result) => [result.name, result.data]))
  return `${JSON.stringify({ machine, ...data }, null, 2)}\n`
}

/** All columns but the first hold numbers: right-aligned, so that their sizes can be seen. */
function alignNumbers(rows: readonly (readonly string[])[]): string[][] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length))) ?? []
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell : cell.padStart(widths[i] ?? 0))))
}

function indent(text: string): string {
  return `${text.trimEnd().replace(/^/gm, '  ')}\n`
}

/** A row of median, minimum and 90th percentile, milliseconds. */
export const summaryRow = (label: string, { median, min, p90 }: Summary): string[] => [
  label,
  ms(median),
  ms(min),
  ms(p90),
]

export const ms = (value: number): string => `${value.toFixed(value < 100 ? 1 : 0)} ms`
export const mib = (kib: number): string => `${(kib / 1024).toFixed(1)} MiB`
export const share = (value: number): string => `${value >= 0 ? '+' : ''}${value.toFixed(2)}`
