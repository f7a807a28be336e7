/** The Task service of one container's shim, with coded errors. */

import { attachesExecs } from '../../bundle/forgotten-exec.ts'
import { asksForErrorInfo, errorFromInfo } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { TaskClient as ShimTask } from '../../shim-client/task-client.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { type StatusName, TtrpcError } from '../../ttrpc/ttrpc.ts'

/**
 * All methods @throws KataError errors of the shim; SHIM_CALL_FAILED for an answer without a code of ours, and if there is no answer. `execId`
 * is empty for the container's init process.
 */
export class TaskClient extends ShimTask {
  /** `address` is the one that the shim printed. Every call has `metadata`. @throws KataError SHIM_UNREACHABLE. */
  static async connect(
    address: string,
    namespace: string,
    id: string,
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<TaskClient> {
    try {
      const transport = await connectUnix(address)
      return new TaskClient(transport, {
        namespace,
        id,
        metadata: { ...asksForErrorInfo, ...attachesExecs, ...metadata },
        toError: (error, method) => asKataError(error, method, id),
      })
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
      throw new KataError('SHIM_UNREACHABLE', { id, address, reason }, { cause })
    }
  }
}

/**
 * The shim's own error, if it sent one. A shim of another version may use codes or fields that are unknown here; then its text is passed on.
 * Codes are never read from the text, which a guest may have written. Both errors have the answer as their cause.
 */
export function asKataError(answer: TtrpcError, method: string, id: string): KataError {
  const { code: status, message: reason } = answer
  return (
    errorFromInfo(answer, answer) ??
    new KataError('SHIM_CALL_FAILED', { method, id, status, reason }, { cause: answer })
  )
}

/** The status of the shim's answer, or of a call that failed without one. Undefined for other errors. */
export function answerStatus(error: unknown): StatusName | undefined {
  const cause = error instanceof KataError ? error.cause : undefined
  return cause instanceof TtrpcError ? cause.code : undefined
}

/** Whether the shim says that the process has ended or never existed. */
export function isNotFound(error: unknown): boolean {
  return answerStatus(error) === 'not_found'
}
