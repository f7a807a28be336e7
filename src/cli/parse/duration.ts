/** Durations as Go and docker write them: `30s`, `1m30s`, `500ms`, `1.5h`. */
import { KataError } from '../../errors.ts'

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds, at least `leastMs`; `0` needs no unit. @throws KataError OPTION_INVALID. */
export function parseDuration(text: string, option: string, leastMs: number): number {
  const isOne = text === '0' || /^(\d+(\.\d+)?(us|ms|s|m|h))+$/.test(text)
  // Only then: many digits without a unit would be looked through from each of them.
  const parts = isOne ? [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/g)] : []
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0)
  // No more than a number of JSON holds, as the record of a container does.
  if (!isOne || ms < leastMs || ms > Number.MAX_SAFE_INTEGER)
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: `a duration such as 30s or 1m30s, of at least ${leastMs} ms`,
    })
  return ms
}
