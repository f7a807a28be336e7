/** Bounds of what one container may ask for: a spec is input, and each mount costs the host a descriptor and a mount. */
import { KataError } from '../errors.ts'
import type { OciSpec } from './oci.ts'

const limits = { mounts: 512, devices: 4096, rlimits: 64, sysctls: 512, pathBytes: 4095 } as const

/** @throws KataError SPEC_LIMIT, SPEC_PATH. */
export function checkSpecLimits(spec: OciSpec, container: string): void {
  const { mounts = [], linux = {}, process = {} } = spec
  const counts = {
    mounts: mounts.length,
    devices: sizeOf(linux.devices),
    rlimits: sizeOf(process.rlimits),
    sysctls: sizeOf(linux.sysctl),
  }
  for (const [what, count] of Object.entries(counts) as [keyof typeof counts, number][])
    if (count > limits[what])
      throw new KataError('SPEC_LIMIT', { container, what, count, limit: limits[what] })
  for (const { destination, source = '' } of mounts) {
    // Not only absolute: "." is what the runtimes of the OCI take for relative to the root, and nobody writes.
    checkPath(destination, destination.startsWith('/'), 'mount destination', container)
    checkPath(source, true, 'mount source', container)
  }
}

function checkPath(path: string, isFormed: boolean, what: string, container: string): void {
  if (isFormed && !path.includes('\0') && Buffer.byteLength(path) <= limits.pathBytes) return
  throw new KataError('SPEC_PATH', { container, what, path: JSON.stringify(path.slice(0, 80)) })
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}
