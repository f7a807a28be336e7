/** What CRI announces at the start of a pod that its containers will use together. */
import { record } from '../json/compounds.ts'
import { readText } from '../json/document.ts'
import { int64, type Reader } from '../json/values.ts'
import { saidOf } from './annotations.ts'
import { coded } from './read-spec.ts'
import type { OciSpec } from './spec.ts'

/** Microseconds, microseconds, a weight, and bytes; as they were said, NaN and negative ones included. */
export interface Announced {
  readonly cpuQuota?: number
  readonly cpuPeriod?: number
  readonly cpuShares?: number
  readonly memoryBytes?: number
}

/** CRI's LinuxContainerResources, as CRI-O writes it; null when the kubelet has sent none. */
interface CriResources {
  readonly cpu_quota?: number
  readonly cpu_period?: number
  readonly cpu_shares?: number
  readonly memory_limit_in_bytes?: number
}
const someResources = record<CriResources>({
  cpu_quota: int64,
  cpu_period: int64,
  cpu_shares: int64,
  memory_limit_in_bytes: int64,
})
const criResources: Reader<CriResources> = (value, at) => (value === null ? {} : someResources(value, at))

/** @throws KataError OCI_SPEC_INVALID naming the annotation. */
export function announcedResources(spec: Pick<OciSpec, 'annotations'>): Announced {
  const document = saidOf(spec, 'resources')
  if (document === undefined) {
    const number = (meaning: 'cpuQuota' | 'cpuPeriod' | 'cpuShares' | 'memory') =>
      Number(saidOf(spec, meaning)?.value)
    return {
      cpuQuota: number('cpuQuota'),
      cpuPeriod: number('cpuPeriod'),
      cpuShares: number('cpuShares'),
      memoryBytes: number('memory'),
    }
  }
  const path = `annotations["${document.name}"]`
  const { cpu_quota, cpu_period, cpu_shares, memory_limit_in_bytes } = coded(() =>
    readText(criResources, document.value, { path }),
  )
  return {
    ...(cpu_quota !== undefined && { cpuQuota: cpu_quota }),
    ...(cpu_period !== undefined && { cpuPeriod: cpu_period }),
    ...(cpu_shares !== undefined && { cpuShares: cpu_shares }),
    ...(memory_limit_in_bytes !== undefined && { memoryBytes: memory_limit_in_bytes }),
  }
}
