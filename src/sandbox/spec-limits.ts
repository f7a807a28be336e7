/** Bounds of what one container may ask for: a spec is input, and each mount costs the host a descriptor and a mount. */
import { KataError } from '../errors.ts'
import type { OciSpec } from './oci.ts'

const limits = {
  mounts: 512,
  devices: 4096,
  rlimits: 64,
  sysctls: 512,
  /** What execve(2) takes with the usual stack: more would fail in the guest, and less clearly. */
  'bytes of arguments and environment': 2 * 1024 * 1024,
} as const
const maxPathBytes = 4095

/** @throws KataError SPEC_LIMIT, SPEC_PATH. */
export function checkSpecLimits(spec: OciSpec, container: string): void {
  const { mounts = [], linux = {}, process = {} } = spec
  const counts = {
    mounts: mounts.length,
    devices: sizeOf(linux.devices),
    rlimits: sizeOf(process.rlimits),
    sysctls: sizeOf(linux.sysctl),
    'bytes of arguments and environment': bytesOf(process.args) + bytesOf(process.env),
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
  if (isFormed && !path.includes('\0') && Buffer.byteLength(path) <= maxPathBytes) return
  throw new KataError('SPEC_PATH', { container, what, path: JSON.stringify(path.slice(0, 80)) })
}

function bytesOf(texts: unknown): number {
  return Array.isArray(texts) ? texts.reduce((sum, text) => sum + Buffer.byteLength(String(text)) + 1, 0) : 0
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}
