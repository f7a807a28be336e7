/** Spans of time as a person reads them. */

/** `3s`, `5m`, `2h`, `4d`: one unit, rounded down. */
export function shortDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86400)}d`
}

const longUnits = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['week', 7 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** `3 weeks`, `About an hour`: as docker says it in `ps`. */
export function longDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 1) return 'Less than a second'
  if (seconds >= 60 && seconds < 120) return 'About a minute'
  if (seconds >= 3600 && seconds < 7200) return 'About an hour'
  // Docker counts two of a unit before it uses the unit.
  const [name, length] = longUnits.find(([, length]) => seconds >= 2 * length) ?? ['second', 1]
  const count = Math.floor(seconds / length)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
