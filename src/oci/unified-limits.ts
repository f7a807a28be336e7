/** Limits that a specification gives as files of cgroup v2 (`unified`) alone, as the fields that mean the same. */
import type { Place } from '../json/place.ts'
import type { OciResources } from './resources.ts'

/**
 * The resources with `memory.max` and `cpu.max` as the limit of memory, and as quota and period: the machine's size goes by these. A file counts
 * where both are there, because runtimes write it last. Pure.
 *
 * @throws JsonMismatch for a text that the kernel would refuse, or that leaves nothing to run with.
 */
export function withUnifiedLimits(resources: OciResources, at: Place): OciResources {
  const { 'memory.max': memoryMax, 'cpu.max': cpuMax, ...unified } = resources.unified ?? {}
  if (memoryMax === undefined && cpuMax === undefined) return resources
  const file = (name: string) => at.field('unified').field(name)
  return Object.freeze({
    ...resources,
    ...(memoryMax !== undefined && {
      memory: Object.freeze({ ...resources.memory, limit: bytesOf(memoryMax, file('memory.max')) }),
    }),
    ...(cpuMax !== undefined && {
      cpu: Object.freeze({ ...resources.cpu, ...quotaOf(cpuMax, file('cpu.max')) }),
    }),
    unified: Object.freeze(unified),
  })
}

const noLimit = -1
const units = 'KMGTPE'

function bytesOf(file: string, at: Place): number {
  const text = file.trim()
  if (text === 'max') return noLimit
  const [, digits = '0', unit = ''] = /^([1-9]\d*)([KMGTPE]?)$/i.exec(text) ?? []
  const bytes = Number(digits) * 1024 ** (unit === '' ? 0 : units.indexOf(unit.toUpperCase()) + 1)
  // The kernel counts in 64 bits, with a sign.
  if (bytes > 0 && bytes < 2 ** 63) return bytes
  throw at.wrong(file, 'a number of bytes, such as 512M, or max', 'another text')
}

/** Without a period, the one that is in force stays. */
function quotaOf(file: string, at: Place): { readonly quota: number; readonly period?: number } {
  const [, quota, period] = /^([1-9]\d{0,14}|max)(?:\s+([1-9]\d{0,14}))?$/.exec(file.trim()) ?? []
  if (quota === undefined)
    throw at.wrong(file, 'microseconds or max, and perhaps a period of microseconds', 'another text')
  return {
    quota: quota === 'max' ? noLimit : Number(quota),
    ...(period !== undefined && { period: Number(period) }),
  }
}
