/** Errors as a person reads them: each with a code, and with what to do. */

import { coded } from '../errors/coded.ts'
import { KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import type { Settings } from './settings.ts'

/** Tells a person what went wrong, and the log (at debug) what led to it. */
export function tellError(
  { tell, log, note }: Pick<Settings, 'tell' | 'log' | 'note'>,
  error: unknown,
): void {
  tell(explain(error))
  note?.(error)
  if (error instanceof Error && error.cause !== undefined) log.debug('it was caused', { error })
}

export function explain(error: unknown): string {
  const isOurs = error instanceof KataError || error instanceof Interrupted
  return isOurs ? error.message : coded(error).message
}
