/** What an error of the shim becomes in the answer to a call. */

import { asksForErrorInfo, errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { type Status, TtrpcError } from '../../ttrpc/ttrpc.ts'

/**
 * An error of the catalogue keeps its status and its text; callers that ask for it get code and fields too. What else came by
 * ttrpc is the guest's: its words are passed on, but never an ErrorInfo, by which it could speak for us.
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
