/** Aligned columns for people; data for programs goes through `--format json`. */
import { plainText } from '../../plain-text.ts'

/** A container's own text could move the cursor of the reader's terminal. */
const clean = (cell: string) => plainText(cell, undefined, '?')

/** The least that is shown of a last column that is cut. */
const leastShown = 16

/** Gives a cell its colour; `column` is the title of its column. */
export type Paint = (cell: string, column: string, row: readonly string[]) => string

/** A header line and one line per row; the last column is not padded, and cut where lines would be longer than `width`. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
  paint: Paint = (cell) => cell,
): string {
  const cells = [header, ...rows].map((row) => row.map(clean))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const before = widths.slice(0, -1).reduce((sum, columnWidth) => sum + columnWidth + 2, 0)
  const rest = Math.max(width - before, leastShown)
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const isLast = column === row.length - 1
        const painted =
          row === cells[0] ? cell : paint(isLast ? shorten(cell, rest) : cell, header[column] ?? '', row)
        // What a colour adds takes no room.
        return isLast ? painted : painted + ' '.repeat((widths[column] ?? 0) - cell.length)
      })
      .join('  ')
      .trimEnd()
  return `${cells.map(line).join('\n')}\n`
}

function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text
}

/** `name  value` lines without a header. */
export function pairs(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${clean(value)}\n`).join('')
}
