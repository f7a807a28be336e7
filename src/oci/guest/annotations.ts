/** What the agent is told of the host's part of a pod. Kata's names, and its values. */
import { containerKind } from '../annotations.ts'
import type { OciSpec } from '../spec.ts'
import { terminationMount, terminationPathAnnotation } from '../termination-mount.ts'

const bundlePath = 'io.katacontainers.pkg.oci.bundle_path'
const containerType = 'io.katacontainers.pkg.oci.container_type'
const typeNames = { sandbox: 'pod_sandbox', container: 'pod_container', single: 'single_container' } as const

/** For the host only: they are the machine's business before it runs. */
const hostAnnotations = [
  'io.katacontainers.config.agent.policy',
  'io.katacontainers.config.hypervisor.cc_init_data',
]

/** The container's own annotations, Kata's two, and where its termination message is. `bundle` is where the host keeps the container's. */
export function guestAnnotations(spec: OciSpec, bundle: string): Record<string, string> {
  const kept = Object.entries(spec.annotations ?? {}).filter(([name]) => !hostAnnotations.includes(name))
  const message = terminationMount(spec)
  return {
    ...Object.fromEntries(kept),
    ...(message !== undefined && { [terminationPathAnnotation]: message.destination }),
    [bundlePath]: bundle,
    [containerType]: typeNames[containerKind(spec)],
  }
}
