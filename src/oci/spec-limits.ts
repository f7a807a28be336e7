/** Bounds of what one container may ask for: a spec is input, and each mount costs the host a descriptor and a mount. */
import { KataError } from '../errors.ts'
import type { OciHooks, OciProcess, OciSpec } from './spec.ts'

const limits = {
  mounts: 512,
  devices: 4096,
  'device rules': 8192,
  namespaces: 64,
  hooks: 64,
  annotations: 4096,
  'supplementary groups': 65_536,
  rlimits: 64,
  sysctls: 512,
  /** What execve(2) takes with the usual stack: more would fail in the guest, and less clearly. */
  'bytes of arguments and environment': 2 * 1024 * 1024,
} as const
const maxPathBytes = 4095
const pointerBytes = 8

type Counts = Partial<Record<keyof typeof limits, number>>

/** @throws KataError SPEC_LIMIT, SPEC_PATH. */
export function checkSpecLimits(spec: OciSpec, container: string): void {
  const { mounts = [], linux = {}, process = {}, annotations = {}, hooks = {}, root } = spec
  const { devices = [], namespaces = [], resources, sysctl = {} } = linux
  checkCounts(
    {
      mounts: mounts.length,
      devices: devices.length,
      'device rules': resources?.devices?.length ?? 0,
      namespaces: namespaces.length,
      hooks: countHooks(hooks),
      annotations: Object.keys(annotations).length,
      sysctls: Object.keys(sysctl).length,
    },
    container,
  )
  checkProcessLimits(process, container)
  for (const { destination, source = '' } of mounts) {
    // Not only absolute: "." is what the runtimes of the OCI take for relative to the root, and nobody writes.
    checkPath(destination, destination.startsWith('/'), 'mount destination', container)
    checkPath(source, true, 'mount source', container)
  }
  for (const { path } of devices) checkPath(path, path.startsWith('/'), 'device path', container)
  for (const { path = '' } of namespaces) checkPath(path, true, 'namespace path', container)
  if (root !== undefined) checkPath(root.path, root.path !== '', 'root path', container)
}

/** For an exec as well as for the container's first process. @throws KataError SPEC_LIMIT, SPEC_PATH. */
export function checkProcessLimits(process: OciProcess, container: string): void {
  const { args, env, rlimits = [], user, cwd = '' } = process
  // Without one, it is /.
  checkPath(cwd, cwd === '' || cwd.startsWith('/'), 'working directory', container)
  checkCounts(
    {
      rlimits: rlimits.length,
      'supplementary groups': user?.additionalGids?.length ?? 0,
      'bytes of arguments and environment': bytesOf(args) + bytesOf(env),
    },
    container,
  )
}

function checkCounts(counts: Counts, container: string): void {
  for (const [what, count] of Object.entries(counts) as [keyof typeof limits, number][])
    if (count > limits[what])
      throw new KataError('SPEC_LIMIT', { container, what, count, limit: limits[what] })
}

function checkPath(path: string, isFormed: boolean, what: string, container: string): void {
  if (isFormed && !path.includes('\0') && Buffer.byteLength(path) <= maxPathBytes) return
  throw new KataError('SPEC_PATH', { container, what, path: JSON.stringify(path.slice(0, 80)) })
}

/** With the NUL that ends each, and the pointer to it. */
const bytesOf = (texts: readonly string[] = []) =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1 + pointerBytes, 0)

const countHooks = (hooks: OciHooks) =>
  Object.values(hooks).reduce((sum: number, stage: readonly unknown[]) => sum + stage.length, 0)
