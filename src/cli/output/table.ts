/** Aligned columns for people; data for programs goes through `--format json`. */
import { plainText } from '../../plain-text.ts'

/** A container's own text could move the cursor of whoever lists it. */
const clean = (cell: string) => plainText(cell, undefined, '?')

/** A header line and one line per row; the last column is not padded. No colour, so that it pipes and greps well. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows].map((row) => row.map(clean))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return `${cells.map(line).join('\n')}\n`
}

/** `name  value` lines without a header. */
export function pairs(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${clean(value)}\n`).join('')
}
