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

/** The known name nearest to `name`, or undefined when none is near: at most a third of its letters may differ. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined
  const simple = (text: string) => text.toLowerCase().replace(/[-_.]/g, '')
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(simple(name), simple(candidate)) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3))
    ? best.candidate
    : undefined
}
