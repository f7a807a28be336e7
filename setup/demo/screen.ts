/** What a person sees: headings, facts, tables and ticks; colour on a terminal only, plain text elsewhere. */
import { wrap } from '../pages/text.ts'

export interface ScreenOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export type Cell = string | { readonly text: string; readonly good: boolean }

const narrowest = 60
const widest = 100
const labelWidth = 15
const indent = '  '

export class Screen {
  /** Columns of a line without its indentation. */
  readonly contentWidth: number
  readonly #output: ScreenOutput
  readonly #colour: boolean

  /** `colour` false keeps it plain even on a terminal, as https://no-color.org asks for. */
  constructor(output: ScreenOutput, colour = true) {
    this.#output = output
    this.#colour = colour && output.isTTY === true
    this.contentWidth = Math.min(widest, Math.max(narrowest, output.columns || 90)) - indent.length
  }

  title(text: string): void {
    this.#output.write(`\n${this.#paint(1, text)}\n`)
  }

  /** Broken into lines where it is too long. */
  paragraph(text: string): void {
    for (const line of wrap(text, this.contentWidth)) this.#output.write(`${indent}${this.#paint(2, line)}\n`)
  }

  /** A command as one would type it. */
  command(argv: readonly string[]): void {
    const words = argv.map((word) =>
      /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
    )
    const lines = wrap(`$ ${words.join(' ')}`, this.contentWidth - 2)
    this.verbatim(lines.join('\n    '))
  }

  /** As it is, for instance what a command printed. */
  verbatim(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#output.write(`${indent}${line}\n`)
  }

  /** A name and its value; long values go on below themselves. */
  fact(label: string, value: string): void {
    const [first = '', ...more] = wrap(value, this.contentWidth - labelWidth - 1)
    this.#output.write(`${indent}${this.#paint(36, label.padEnd(labelWidth))} ${first}\n`)
    for (const line of more) this.#output.write(`${' '.repeat(indent.length + labelWidth + 1)}${line}\n`)
  }

  /** Aligned columns; a cell that is good or bad says so by its colour. */
  table(header: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const widths = header.map((name, column) =>
      Math.max(name.length, ...rows.map((row) => textOf(row[column] ?? '').length)),
    )
    const line = (cells: readonly Cell[], paint: (text: string, cell: Cell) => string) => {
      const padded = cells.map((cell, column) => paint(textOf(cell).padEnd(widths[column] ?? 0), cell))
      this.#output.write(`${indent}${padded.join('  ').trimEnd()}\n`)
    }
    line(header, (text) => this.#paint(2, text))
    for (const row of rows)
      line(row, (text, cell) => (typeof cell === 'string' ? text : this.#paint(cell.good ? 32 : 31, text)))
  }

  /** A check that came out well or not. */
  tick(good: boolean, text: string): void {
    this.#output.write(`${indent}${good ? this.#paint(32, '✓') : this.#paint(31, '✗')} ${text}\n`)
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text
  }
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text)
