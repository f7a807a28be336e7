/**
 * `delete` of one container of a pod whose shim lives. containerd counts the container as ended from then on, and its client makes
 * another one: when it could not reach the shim in time after a restart, or lost its connection. The old container must not go on beside
 * the new one.
 */
import { forgetsAtEnd } from '../bundle/forgotten-exec.ts'
import { SIGKILL } from '../linux/processes/signal.ts'
import type { Logger } from '../log.ts'
import type { DeleteResponse } from '../protocol/generated/containerd/task.ts'
import { toTimestamp } from '../protocol/timestamp.ts'
import type { TaskRecord } from '../sandbox/records/task-records.ts'
import { TaskClient } from '../shim-client/task-client.ts'
import { within } from '../time.ts'
import { connectUnix } from '../ttrpc/bun.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/**
 * Kills and removes the container. Resolves with how it ended; undefined when its pod does not have it, when the shim is gone, and when
 * that takes longer than `limitMs` milliseconds. Never throws: what cannot be done goes to the log.
 */
export async function endTask(
  task: TaskRecord,
  { limitMs, log }: { readonly limitMs: number; readonly log: Logger },
): Promise<DeleteResponse | undefined> {
  const { id } = task
  const transport = await connectUnix(task.address).catch(() => undefined)
  // `delete` of the pod removes a pod without a shim.
  if (transport === undefined) return undefined
  // containerd ends this process while the container may take its time to die. The shim removes it then.
  const client = new TaskClient(transport, { ...task, metadata: forgetsAtEnd })
  try {
    const ended = await within(end(client), limitMs)
    if (ended === undefined)
      log.warn('it was killed, and its pod removes it once it has ended', { container: id })
    return ended
  } catch (error) {
    if (!isGone(error))
      log.warn('a container of a pod that lives could not be ended', { container: id, error })
    return undefined
  } finally {
    client.close()
  }
}

async function end(client: TaskClient): Promise<DeleteResponse> {
  await client.kill(SIGKILL, { all: true }).catch((error) => {
    // It has ended already.
    if (!isGone(error)) throw error
  })
  const exitStatus = await client.wait()
  try {
    return await client.delete()
  } catch (error) {
    // The shim was faster.
    if (!isGone(error)) throw error
    return { pid: 0, exitStatus, exitedAt: toTimestamp(new Date()) }
  }
}

const isGone = (error: unknown): boolean => error instanceof TtrpcError && error.code === 'not_found'
