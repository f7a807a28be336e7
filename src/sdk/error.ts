import type { RuntimeErrorCode } from './error-codes.ts'

/**
 * A code of the runtime (docs/errors.md), or one of the SDK:
 *
 * - `SDK_EXECUTABLE_MISSING`: `kata-ts` was not found, or could not be started, as without a free descriptor.
 * - `SDK_ANSWER_MISSING`: the executable ended without saying how. It may be of another version.
 * - `SDK_TIMED_OUT`: `timeoutMs` is over. The process in the sandbox was killed, or the new sandbox was removed.
 * - `SDK_OUTPUT_TOO_LARGE`: a command wrote more than `maxOutputBytes`, and was killed; or a log has more.
 * - `SDK_GUEST_FILE_FAILED`: a file in the sandbox could not be read, written or listed.
 * - `INTERRUPTED`: a signal ended the executable before anything ran.
 */
export type SandboxErrorCode = RuntimeErrorCode | SdkErrorCode

export type SdkErrorCode =
  | 'SDK_EXECUTABLE_MISSING'
  | 'SDK_ANSWER_MISSING'
  | 'SDK_TIMED_OUT'
  | 'SDK_OUTPUT_TOO_LARGE'
  | 'SDK_GUEST_FILE_FAILED'
  | 'INTERRUPTED'

interface Details {
  readonly remedy?: string
  readonly fields?: Readonly<Record<string, string | number | boolean>>
  readonly stdout?: Uint8Array
  readonly stderr?: Uint8Array
  readonly cause?: unknown
}

/** An error of the runtime or the SDK. A call that `signal` aborts rejects with the signal's reason instead. */
export class SandboxError extends Error {
  /** Stable: programs may compare it. */
  readonly code: SandboxErrorCode
  /** The next step for a person, in a sentence; may be empty. */
  readonly remedy: string
  /** The parts of the message, by name. */
  readonly fields: Readonly<Record<string, string | number | boolean>>
  /** What a command wrote before `SDK_TIMED_OUT` or `SDK_OUTPUT_TOO_LARGE`; otherwise absent. */
  readonly stdout: Uint8Array | undefined
  readonly stderr: Uint8Array | undefined

  constructor(code: SandboxErrorCode, message: string, details: Details = {}) {
    super(message, details)
    this.name = 'SandboxError'
    this.code = code
    this.remedy = details.remedy ?? ''
    this.fields = details.fields ?? {}
    this.stdout = details.stdout
    this.stderr = details.stderr
  }
}
