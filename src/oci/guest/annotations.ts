/** What the agent is told of the host's part of a pod. Kata's names, and its values. */
import { containerKind } from '../annotations.ts'
import type { OciSpec } from '../spec.ts'
import { terminationPathAnnotation } from '../termination-mount.ts'

const bundlePath = 'io.katacontainers.pkg.oci.bundle_path'
const containerType = 'io.katacontainers.pkg.oci.container_type'
const typeNames = { sandbox: 'pod_sandbox', container: 'pod_container', single: 'single_container' } as const

/** For the host only: they are the machine's business before it runs. */
const hostAnnotations = [
  'io.katacontainers.config.agent.policy',
  'io.katacontainers.config.hypervisor.cc_init_data',
]

/**
 * The container's own annotations, and Kata's two. `bundle` is where the host keeps the container's, `terminationPath` where the
 * container has its termination message.
 */
export function guestAnnotations(
  spec: OciSpec,
  { bundle, terminationPath }: { bundle: string; terminationPath?: string | undefined },
): Record<string, string> {
  const kept = Object.entries(spec.annotations ?? {}).filter(([name]) => !hostAnnotations.includes(name))
  return {
    ...Object.fromEntries(kept),
    ...(terminationPath !== undefined && { [terminationPathAnnotation]: terminationPath }),
    [bundlePath]: bundle,
    [containerType]: typeNames[containerKind(spec)],
  }
}
