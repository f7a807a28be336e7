/** Signals by name or number. */
import { constants } from 'node:os'
import { KataError } from '../../errors.ts'

/** The number of `TERM`, `SIGTERM`, `sigterm` or `15`. @throws KataError OPTION_INVALID. */
export function parseSignal(text: string): number {
  const upper = text.toUpperCase()
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`
  const byName = (constants.signals as Record<string, number>)[name]
  const number = /^\d+$/.test(text) ? Number(text) : byName
  if (number === undefined || number < 1 || number > 64)
    throw new KataError('OPTION_INVALID', {
      option: '--signal',
      value: text,
      allowed: 'a signal such as TERM, SIGKILL or 9',
    })
  return number
}
