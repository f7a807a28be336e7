/** Finds the known name that a mistyped one most likely meant. */

/** Edit distance of Levenshtein, with a swap of neighbours counted as one edit. */
export function editDistance(a: string, b: string): number {
  let older: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(change, previous[j]! + 1, row[j - 1]! + 1, swapped ? older[j - 2]! + 1 : Infinity)
    }
    older = previous
    previous = row
  }
  return previous[b.length]!
}

/** Whether {@link editDistance} is 0 or 1, in linear time: it is asked for every pair of an unknown key and a known one. */
export function isAtMostOneEdit(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a[start] === b[start]) start++
  let end = 0
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++
  const [one, other] = [a.slice(start, a.length - end), b.slice(start, b.length - end)]
  const longest = Math.max(one.length, other.length)
  return longest <= 1 || (longest === 2 && one === `${other[1]}${other[0]}`)
}

/** The known name nearest to `name`, or undefined when none is near: at most a third of its letters may differ. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined
  const simple = (text: string) => text.toLowerCase().replace(/[-_.]/g, '')
  const given = simple(name)
  const most = Math.max(1, Math.floor(name.length / 3))
  const ranked = known
    .map((candidate) => ({ candidate, text: simple(candidate) }))
    // Each letter more or less is an edit.
    .filter(({ text }) => Math.abs(text.length - given.length) <= most)
    .map(({ candidate, text }) => ({ candidate, distance: editDistance(given, text) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= most ? best.candidate : undefined
}
