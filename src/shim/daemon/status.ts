/** Errors of the shim as answers to calls. */
import { coded } from '../../errors/coded.ts'
import { asksForErrorInfo, errorInfoOf } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { type Status, TtrpcError } from '../../ttrpc/ttrpc.ts'

/**
 * An error of the catalogue keeps its status and its text. Callers that ask for it get code and fields too. An answer of the guest keeps its
 * status, and its words are passed on, but never as an ErrorInfo, which would let the guest speak for us. Callers that ask give errors without
 * a code one of theirs (SHIM_CALL_FAILED); the text for any other, which is what a person finds at a pod, gets it here.
 */
export function toStatus(error: unknown, metadata: ReadonlyMap<string, string>): Status | undefined {
  const known = error instanceof TtrpcError && !error.isAnswer ? (error.cause ?? error) : error
  if (known instanceof KataError) {
    const { status: code, message } = known
    return { code, message, ...(isAsked(metadata) ? errorInfoOf(known) : {}) }
  }
  if (isAsked(metadata)) return error instanceof TtrpcError ? withoutInfo(error) : undefined
  // FILE_EXISTS, for one, is about no task that exists already.
  if (!(error instanceof TtrpcError)) return { code: 'internal', message: coded(error).message }
  if (!error.isAnswer) return withoutInfo(error)
  return { code: error.code, message: new KataError('GUEST_REFUSED', { reason: error.message }).message }
}

const withoutInfo = ({ code, message }: TtrpcError): Status => ({ code, message })

/** Whether a call with this metadata comes from the command line, which asks for code and fields with each. */
export function isAsked(metadata: ReadonlyMap<string, string>): boolean {
  return Object.entries(asksForErrorInfo).every(([key, value]) => metadata.get(key) === value)
}
