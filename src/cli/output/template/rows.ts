/** Docker's `--format` of commands that list things: a line for each row, after a line of titles with `table`. */
import { table } from '../table.ts'
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
    const lines = rows.map((row) => template.render(row))
    if (!isTable) return lines.map((line) => `${line}\n`).join('')
    return table(
      title.split('\t'),
      lines.map((line) => line.split('\t')),
    )
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
