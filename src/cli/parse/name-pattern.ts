/**
 * The simple regular expressions of `ps --filter name=`: letters, `.`, `\\.`, `.*`, `^` before and `$` behind them. An engine for all of them
 * tries every way to divide a name among the gaps; a member of the service's group could keep root busy so.
 */

/** Whether a part of `name`, or the whole between `^` and `$`, has the form of `pattern`. */
export function isNamed(name: string, pattern: string): boolean {
  const isFromStart = pattern.startsWith('^')
  const isToEnd = pattern.endsWith('$')
  const parts = pattern
    .slice(isFromStart ? 1 : 0, isToEnd ? -1 : undefined)
    .split('.*')
    .map(unitsOf)
  let from = 0
  for (const [index, part] of parts.entries()) {
    const latest = name.length - part.length
    const isLast = isToEnd && index === parts.length - 1
    const isFirst = isFromStart && index === 0
    // The first place where it fits leaves the most for what comes behind it.
    let at = isLast ? Math.max(from, latest) : from
    const end = isFirst ? 0 : latest
    while (at <= end && !fits(name, at, part)) at++
    if (at > end) return false
    from = at + part.length
  }
  return true
}

/** Each character as it is, or undefined for any. */
const unitsOf = (part: string): (string | undefined)[] =>
  [...part.matchAll(/\\?(.)/g)].map(([whole, character]) => (whole === '.' ? undefined : character))

const fits = (name: string, at: number, part: readonly (string | undefined)[]): boolean =>
  at + part.length <= name.length &&
  part.every((unit, offset) => unit === undefined || unit === name[at + offset])
