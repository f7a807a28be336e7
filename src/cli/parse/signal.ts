/** Signals by name or number. */
import { constants } from 'node:os'
import { KataError } from '../../errors.ts'
import { mostSignal } from '../../linux/processes/signal.ts'

/** As the C library counts them: the first two are its own. */
const SIGRTMIN = 34

/** The number of `TERM`, `SIGTERM`, `sigterm`, `15` or `RTMIN+3`; `option` is where it was said. @throws KataError OPTION_INVALID. */
export function parseSignal(text: string, option = '--signal'): number {
  const name = text.toUpperCase().replace(/^SIG/, '')
  const number = /^\d+$/.test(text) ? Number(text) : (realTime(name) ?? byName(name))
  if (number === undefined || number < 1 || number > mostSignal)
    throw new KataError('OPTION_INVALID', {
      option,
      value: text,
      allowed: 'a signal such as TERM, SIGKILL or 9',
    })
  return number
}

function byName(name: string): number | undefined {
  return (constants.signals as Record<string, number>)[`SIG${name}`]
}

function realTime(name: string): number | undefined {
  const [, base, offset = '0'] = /^RT(MIN|MAX)((?:[+-])\d+)?$/.exec(name) ?? []
  if (base === undefined) return undefined
  const number = (base === 'MIN' ? SIGRTMIN : mostSignal) + Number(offset)
  return number < SIGRTMIN ? undefined : number
}
