/** The figures of a Stats reply, whichever of containerd's two types it has. */
import { Metrics as MetricsV1 } from '../../src/protocol/generated/containerd/cgroups_v1.ts'
import { Metrics as MetricsV2 } from '../../src/protocol/generated/containerd/cgroups_v2.ts'
import type { Any } from '../../src/protocol/generated/google/protobuf/any.ts'

export interface Figures {
  /** Processor time, nanoseconds. */
  readonly cpu: bigint | undefined
  /** Bytes. */
  readonly memory: bigint | undefined
  readonly memoryLimit: bigint | undefined
  readonly pids: bigint | undefined
  readonly pidsLimit: bigint | undefined
}

/** @throws Error for a type that containerd would not know. */
export function figuresOf(stats: Any | undefined): Figures {
  const { typeUrl = '', value = new Uint8Array() } = stats ?? {}
  if (typeUrl === 'io.containerd.cgroups.v1.Metrics') {
    const { cpu, memory, pids } = MetricsV1.decode(value)
    const { usage, limit } = memory?.usage ?? {}
    return {
      cpu: cpu?.usage?.total,
      memory: usage,
      memoryLimit: limit,
      pids: pids?.current,
      pidsLimit: pids?.limit,
    }
  }
  if (typeUrl !== 'io.containerd.cgroups.v2.Metrics') throw new Error(`statistics of type ${typeUrl}`)
  const { cpu, memory, pids } = MetricsV2.decode(value)
  return {
    cpu: cpu && cpu.usageUsec * 1000n,
    memory: memory?.usage,
    memoryLimit: memory?.usageLimit,
    pids: pids?.current,
    pidsLimit: pids?.limit,
  }
}
