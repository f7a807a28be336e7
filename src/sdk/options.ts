/** What a program gives as options, read before anything is started: NaN as a limit would be none at all. */
import { SandboxError } from './error.ts'

/**
 * A time in milliseconds or a number of bytes. Infinity is no limit.
 *
 * @throws SandboxError OPTION_INVALID.
 */
export function requireNumber(option: 'timeoutMs' | 'maxOutputBytes', value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && !Number.isNaN(value))) return
  throw refused(option, value, 'Allowed: a number.')
}

/** Permissions of a file as `chmod` takes them. @throws SandboxError OPTION_INVALID. */
export function modeWord(mode: number): string {
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o7777) return mode.toString(8)
  throw refused('mode', mode, 'Allowed: 0 to 0o7777.')
}

/** A time as the command line takes it. @throws SandboxError OPTION_INVALID. */
export function timeWord(option: 'since' | 'until', date: Date): string {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return date.toISOString()
  throw refused(option, date, 'Allowed: a valid Date.')
}

function refused(option: string, value: unknown, remedy: string): SandboxError {
  return new SandboxError('OPTION_INVALID', `${option} does not take ${String(value)}. ${remedy}`, {
    remedy,
    fields: { option, value: String(value) },
  })
}
