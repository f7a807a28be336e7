/** The resource usage of a container, as its shim reports it: in the type for the host's version of cgroups. */
import { KataError } from '../../errors.ts'
import * as v1 from '../../protocol/generated/containerd/cgroups_v1.ts'
import * as v2 from '../../protocol/generated/containerd/cgroups_v2.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

export interface Usage {
  /** Total processor time, microseconds. */
  readonly cpuMicros: bigint
  readonly memoryBytes: bigint
  /** Undefined if there is no limit. */
  readonly memoryLimit: bigint | undefined
  readonly processes: bigint
}

/** Limits from here on mean no limit (cgroup v1 reports the largest number of whole pages). */
const noLimit = 2n ** 62n

/** Pure. @throws KataError INTERNAL for other types. */
export function parseUsage({ typeUrl, value }: Any): Usage {
  if (typeUrl === 'io.containerd.cgroups.v2.Metrics') {
    const { cpu, memory, pids } = v2.Metrics.decode(value)
    return usage(cpu?.usageUsec, memory?.usage, memory?.usageLimit, pids?.current)
  }
  if (typeUrl === 'io.containerd.cgroups.v1.Metrics') {
    const { cpu, memory, pids } = v1.Metrics.decode(value)
    const { usage: used, limit } = memory?.usage ?? {}
    return usage((cpu?.usage?.total ?? 0n) / 1000n, used, limit, pids?.current)
  }
  throw new KataError('INTERNAL', { reason: `statistics have the type ${typeUrl.slice(0, 100)}` })
}

function usage(cpuMicros = 0n, memoryBytes = 0n, limit = 0n, processes = 0n): Usage {
  return {
    cpuMicros,
    memoryBytes,
    memoryLimit: limit === 0n || limit >= noLimit ? undefined : limit,
    processes,
  }
}
