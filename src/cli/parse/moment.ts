/** Points in time as docker's `--since` takes them: `10m` ago, `2026-01-02T15:04:05Z`, or seconds since the epoch. */
import { KataError } from '../../errors.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds since the epoch; a time without a zone is one of this host. @throws KataError OPTION_INVALID. */
export function parseMoment(text: string, option: string, now = Date.now()): number {
  const moment = ago(text, now) ?? seconds(text) ?? date(text)
  if (moment === undefined)
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: 'a time ago such as 10m or 1h30m, a time such as 2026-01-02T15:04:05Z, or seconds since 1970',
    })
  return moment
}

function ago(text: string, now: number): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)
  return now - [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0)
}

function seconds(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : undefined
}

function date(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T.*)?$/.test(text)) return undefined
  // A day alone would be one of UTC.
  const moment = Date.parse(text.includes('T') ? text : `${text}T00:00:00`)
  return Number.isNaN(moment) ? undefined : moment
}
