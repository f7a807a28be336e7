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
 * Finds the line (from 1) of a path, for instance `['agent', 'kata', 'enable_debug']`. A key inside an inline table has the line of that
 * table; a path that is nowhere has 1. The text is read when the first line is asked for: most files give no cause for a message, and some give
 * thousands.
 */
export function lineFinder(toml: string): (path: readonly string[]) => number {
  let lines: ReadonlyMap<string, number> | undefined
  return (path) => {
    lines ??= linesOf(toml)
    for (let depth = path.length; depth > 0; depth--) {
      const line = lines.get(JSON.stringify(path.slice(0, depth)))
      if (line !== undefined) return line
    }
    return 1
  }
}

/** The first line of each table and key, by its parts as JSON. */
function linesOf(toml: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>()
  let table: string[] = []
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
    const here = JSON.stringify(assigned === null ? table : [...table, ...keyParts(assigned[1]!)])
    if (!lines.has(here)) lines.set(here, index + 1)
  }
  return lines
}

/** The delimiter of a multi-line string that this value opens and does not close on its line. */
function opensMultiline(value: string): string | undefined {
  const opened = /^[^"'#]*("""|''')/.exec(value)
  if (opened === null) return undefined
  return value.slice(opened[0].length).includes(opened[1]!) ? undefined : opened[1]
}
