/** The Task service of one container's shim, with coded errors. */

import { attachesExecs } from '../../bundle/forgotten-exec.ts'
import { asksForErrorInfo, errorFromInfo } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { TaskClient as ShimTask } from '../../shim-client/task-client.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { type StatusName, TtrpcError } from '../../ttrpc/ttrpc.ts'

/**
 * All methods @throws KataError what the shim answered; SHIM_CALL_FAILED for an answer without a code of ours, or for none. `execId`
 * is empty for the container's main process.
 */
export class TaskClient extends ShimTask {
  /** `address` as the shim printed it; `metadata` goes with every call. @throws KataError SHIM_UNREACHABLE. */
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
 * The shim's own error where it told one. A shim of another version, whose codes or fields this one does not know, has its text told
 * as it is: no code is read from a text, which may be a guest's. Both errors keep the answer as their cause.
 */
export function asKataError(answer: TtrpcError, method: string, id: string): KataError {
  const { code: status, message: reason } = answer
  return (
    errorFromInfo(answer, answer) ??
    new KataError('SHIM_CALL_FAILED', { method, id, status, reason }, { cause: answer })
  )
}

/** The status by which the shim answered, or by which a call failed without an answer; undefined for another error. */
export function answerStatus(error: unknown): StatusName | undefined {
  const cause = error instanceof KataError ? error.cause : undefined
  return cause instanceof TtrpcError ? cause.code : undefined
}

/** Whether the shim says that the process it was asked about has ended or never was. */
export function isNotFound(error: unknown): boolean {
  return answerStatus(error) === 'not_found'
}
