/** Aligned columns for people; data for programs goes through `--format json`. */

/** Control bytes would let a container's own text move the cursor of whoever lists it: they are shown as `?`. */
const control = /\p{Cc}/gu

/** The least that is shown of a last column that is cut. */
const leastShown = 16

/**
 * A header line and one line per row; the last column is not padded, and cut where lines would be longer than `width`. No
 * colour, so that it pipes and greps well.
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string {
  const clean = [header, ...rows].map((row) => row.map((cell) => cell.replace(control, '?')))
  const widths = header.map((_, column) => Math.max(...clean.map((row) => (row[column] ?? '').length)))
  const before = widths.slice(0, -1).reduce((sum, columnWidth) => sum + columnWidth + 2, 0)
  const rest = Math.max(width - before, leastShown)
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? shorten(cell, rest) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return `${clean.map(line).join('\n')}\n`
}

function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 3)}...` : text
}

/** `name  value` lines without a header. */
export function pairs(entries: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${value.replace(control, '?')}\n`).join('')
}
