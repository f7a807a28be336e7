/**
 * The place of a key in a TOML text. The parser gives values without positions; this reads just enough of the text,
 * which is known to be valid TOML, to name the line in a message.
 */

/** A bare or quoted key, possibly dotted, as its parts. */
function keyParts(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  )
}

// A dot matches every character of a line: JavaScript ends one at U+2028 too, TOML does not.
const keyText = `(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*'|[A-Za-z0-9_-]+)`
const dottedKey = `${keyText}(?:\\s*\\.\\s*${keyText})*`
const header = new RegExp(`^\\s*\\[\\[?\\s*(${dottedKey})\\s*\\]\\]?\\s*(?:#.*)?$`, 's')
const assignment = new RegExp(`^\\s*(${dottedKey})\\s*=(.*)$`, 's')

/**
 * The line (from 1) of `path`, for instance `['agent', 'kata', 'enable_debug']`. A key inside an inline table gives
 * the line of that table; a path that is nowhere gives 1.
 */
export function lineOf(toml: string, path: readonly string[]): number {
  let table: string[] = []
  let best = { line: 1, depth: 0 }
  let openString: string | undefined
  for (const [index, line] of toml.split(/\r?\n/).entries()) {
    if (openString !== undefined) {
      if (line.includes(openString)) openString = undefined
      continue
    }
    const heading = header.exec(line)?.[1]
    const assigned = heading === undefined ? assignment.exec(line) : null
    if (heading !== undefined) table = keyParts(heading)
    if (assigned !== null) openString = opensMultiline(assigned[2]!)
    if (heading === undefined && assigned === null) continue
    const here = assigned === null ? table : [...table, ...keyParts(assigned[1]!)]
    if (here.length > best.depth && here.every((part, depth) => part === path[depth]))
      best = { line: index + 1, depth: here.length }
  }
  return best.line
}

/** The delimiter of a multi-line string that this value opens and does not close on its line. */
function opensMultiline(value: string): string | undefined {
  const opened = /^[^"'#]*("""|''')/.exec(value)
  if (opened === null) return undefined
  return value.slice(opened[0].length).includes(opened[1]!) ? undefined : opened[1]
}
