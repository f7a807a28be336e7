/** Docker's `--format` of commands that list things: a line for each row, after a line of titles with `table`. */
import { table } from '../table.ts'
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
