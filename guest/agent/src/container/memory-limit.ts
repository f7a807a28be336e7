/**
 * A memory limit below what crun needs to make a container. The kernel kills crun's process in the container's cgroup, and crun says only
 * that it reads nothing from it. Pure: tested on the host.
 */
import type { LinuxResources } from '../../../../src/protocol/generated/oci.ts'
import { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'
import { memoryLimitTooLow } from '../errors.ts'

/** How the error of a system call ends when the kernel refused memory instead of killing. */
const refusal = ': Cannot allocate memory'

/**
 * The error for the host of a container that could not be made.
 *
 * @param kills how many processes of containers the kernel killed for want of memory meanwhile.
 * @returns `error` itself when it was not the limit.
 */
export function explainByMemory(
  error: unknown,
  resources: LinuxResources | undefined,
  kills: bigint,
): unknown {
  const limit = resources?.memory?.limit ?? 0n
  // crun says what is wrong with a command, and then no limit is.
  if (limit <= 0n || !(error instanceof TtrpcError && error.code === 'internal')) return error
  if (kills === 0n && !error.message.endsWith(refusal)) return error
  return memoryLimitTooLow(`${limit} bytes; crun says: ${error.message}`, error)
}
