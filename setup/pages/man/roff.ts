/** Text in the language of manual pages: man(7), in the part that groff and mandoc share. */

/** A text of a paragraph: nothing in it is markup, and no line of it is a request. */
export function text(plain: string): string {
  return escaped(plain).replace(/^([.'])/gm, '\\&$1')
}

/** `code` in bold, the rest as it is; the first line is behind a request or a bold word, or begins a paragraph. */
export function prose(markdown: string): string {
  const linked = markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('**', '')
  const parts = linked.split('`').map((part, index) => (index % 2 === 1 ? bold(part) : escaped(part)))
  return parts.join('').replace(/^([.'])/gm, '\\&$1')
}

/** A long list without spaces may be broken behind its commas. */
export const bold = (plain: string): string =>
  plain === '' ? '' : `\\fB${escaped(plain).replace(/,(?=\S)/g, plain.length > 40 ? ',\\:' : ',')}\\fR`

export const heading = (title: string): string => `.SH ${quoted(title.toUpperCase())}\n`

export const subheading = (title: string): string => `.SS ${quoted(title)}\n`

/** A term and what it means; `term` is roff. */
export const item = (term: string, meaning: string): string => `.TP\n${term}\n${meaning}\n`

export const example = (lines: string): string => `.nf\n.RS 4\n${text(lines)}\n.RE\n.fi\n`

/** The first line of a page. */
export function title(name: string, section: number, date: Date, source: string, manual: string): string {
  const day = date.toISOString().slice(0, 10)
  const [first, ...others] = [name.toUpperCase(), String(section), source, manual].map(quoted)
  return `.TH ${[first, others[0], day, ...others.slice(1)].join(' ')}\n.nh\n`
}

/** An argument of a request: a quote in it is two. */
const quoted = (plain: string): string => `"${escaped(plain).replaceAll('"', '""')}"`

/** A hyphen is a minus, so that what is copied from the page can be typed. */
const escaped = (plain: string): string => plain.replaceAll('\\', '\\e').replaceAll('-', '\\-')
