/** Reads what a VMM answers, which may be hostile: whatever has another shape than expected is a coded error. */
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import { plainText } from '../../plain-text.ts'
import { sleep } from '../../time.ts'

/** Longest text of an error or name that is passed on. */
const maxText = 500

export function protocolError(reason: string): KataError {
  return new KataError('VMM_PROTOCOL', { reason })
}

/** What came of sending `command`: a VMM that is gone shows as a broken pipe a moment before its end is known. */
export function sendError(error: unknown, command: string): unknown {
  if (!(error instanceof SyscallError && ['EPIPE', 'ECONNRESET'].includes(error.errno))) return error
  return new KataError('VMM_DISCONNECTED', { command }, { cause: error })
}

/** @throws KataError VMM_PROTOCOL. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw protocolError('a text that is not JSON')
  }
}

/** A value that must be an object. @throws KataError VMM_PROTOCOL. */
export function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw protocolError(`${name} is not an object`)
}

/** A value that must be a whole number, not negative. @throws KataError VMM_PROTOCOL. */
export function asNumber(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw protocolError(`${name} is not a number`)
}

/** A text, made fit for a log and bounded. @throws KataError VMM_PROTOCOL. */
export function asText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw protocolError(`${name} is not text`)
  return plainText(value, maxText)
}

/** @throws KataError VMM_COMMAND_TIMEOUT when `promise` has not settled after `timeoutMs` milliseconds. */
export async function withDeadline<T>(promise: Promise<T>, command: string, timeoutMs: number): Promise<T> {
  const over = new AbortController()
  const late = sleep(timeoutMs, over.signal).then(() => {
    throw new KataError('VMM_COMMAND_TIMEOUT', { command, seconds: timeoutMs / 1000 })
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
  }
}
