/** Status of a ttrpc call: the gRPC code numbers (google.rpc.Code), by the lower-case names the error catalogue uses. */

import type { ErrorInfo } from './error-info.ts'

export const statusCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
} as const

export type StatusName = keyof typeof statusCodes

const names = new Map<number, StatusName>(
  Object.entries(statusCodes).map(([name, number]) => [number, name as StatusName]),
)

/** The name of a code from the wire. An undefined number is `unknown`, as in gRPC. */
export function statusName(code: number): StatusName {
  return names.get(code) ?? 'unknown'
}

/** A call that failed, on either side: what the peer answered, or what became of the connection. */
export class TtrpcError extends Error {
  readonly code: StatusName
  /** For programs, if there is an ErrorInfo in the status. */
  readonly reason: string | undefined
  readonly domain: string | undefined
  readonly metadata: ErrorInfo['metadata']
  /** Whether code, message and ErrorInfo are the peer's, and none of ours. */
  readonly isAnswer: boolean

  constructor(
    code: StatusName,
    message: string,
    options: ErrorInfo & { cause?: unknown; isAnswer?: boolean } = {},
  ) {
    super(message, options)
    this.name = 'TtrpcError'
    this.code = code
    this.reason = options.reason
    this.domain = options.domain
    this.metadata = options.metadata
    this.isAnswer = options.isAnswer ?? false
  }

  /** Any thrown value as a TtrpcError; what is none already becomes `unknown` with its message. */
  static from(error: unknown): TtrpcError {
    if (error instanceof TtrpcError) return error
    return new TtrpcError('unknown', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
