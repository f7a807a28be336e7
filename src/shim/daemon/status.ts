/** Errors of the shim as answers to calls. */

import { asksForErrorInfo, errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { type Status, TtrpcError } from '../../ttrpc/ttrpc.ts'

/**
 * An error of the catalogue keeps its status and its text. Callers that ask for it get code and fields too. Any other ttrpc error is
 * the guest's: its words are passed on, but never an ErrorInfo, which would let the guest speak for us.
 */
export function toStatus(error: unknown, metadata: ReadonlyMap<string, string>): Status | undefined {
  if (error instanceof KataError) {
    const { status: code, message } = error
    return { code, message, ...(isAsked(metadata) ? errorInfoOf(error) : {}) }
  }
  if (error instanceof TtrpcError) return { code: error.code, message: error.message }
  return undefined
}

function isAsked(metadata: ReadonlyMap<string, string>): boolean {
  return Object.entries(asksForErrorInfo).every(([key, value]) => metadata.get(key) === value)
}
