/** Docker's `--format` of commands that list things: a line for each row, after a line of titles with `table`. */
import { table } from '../table.ts'
import { Budget } from './budget.ts'
import { invalidTemplate } from './parse.ts'
import { compileTemplate } from './template.ts'

/** @throws KataError TEMPLATE_INVALID, also for a field that rows with these titles do not have. */
export function compileRows(
  text: string,
  { titles, usual }: { readonly titles: Readonly<Record<string, unknown>>; readonly usual: string },
): (rows: readonly object[]) => string {
  const isTable = /^table(\s|$)/.test(text)
  const body = (isTable ? text.slice('table'.length).trim() : text)
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n')
  const template = compileTemplate(body === '' ? usual : body)
  const title = template.render(titles)
  return (rows) => {
    const budget = new Budget()
    const lines = rows.map((row) => template.render(row, budget))
    if (!isTable) return lines.map((line) => `${line}\n`).join('')
    const cells = [title, ...lines].map((line) => line.split('\t'))
    for (const { length } of cells) budget.steps(length, body)
    return table(cells[0]!, cells.slice(1))
  }
}

/** Docker's `--format` of `inspect`: a text for each thing. @throws KataError TEMPLATE_INVALID: a table is of many. */
export function compileEach(text: string): (facts: unknown) => string {
  if (!text.includes('{{')) throw invalidTemplate(text, '`table` is for lists')
  const template = compileTemplate(text.replaceAll('\\t', '\t').replaceAll('\\n', '\n'))
  return (facts) => `${template.render(facts)}\n`
}

/** A map to templates, where any key may be missing. */
export const asMap = <Value>(entries: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> =>
  Object.assign(Object.create(null), entries)
