/** What the agent is told of the host's part of a pod. Kata's names, and its values. */
import { seccompFilterAnnotation } from '../../protocol/seccomp-filter.ts'
import { containerKind } from '../annotations.ts'
import type { OciSpec } from '../spec.ts'
import { terminationPathAnnotation } from '../termination-mount.ts'

const bundlePath = 'io.katacontainers.pkg.oci.bundle_path'
const containerType = 'io.katacontainers.pkg.oci.container_type'
const typeNames = { sandbox: 'pod_sandbox', container: 'pod_container', single: 'single_container' } as const

/** For the host only: they are the machine's business before it runs, or the host's own word to the agent. */
const hostAnnotations = [
  seccompFilterAnnotation,
  'io.katacontainers.config.agent.policy',
  'io.katacontainers.config.hypervisor.cc_init_data',
]

export interface HostFacts {
  readonly bundle: string
  readonly terminationPath?: string | undefined
  readonly seccompFilter?: Buffer | undefined
}

/**
 * The container's own annotations, and Kata's two. `bundle` is where the host keeps the container's, `terminationPath` where the
 * container has its termination message, `seccompFilter` its compiled profile.
 */
export function guestAnnotations(
  spec: OciSpec,
  { bundle, terminationPath, seccompFilter }: HostFacts,
): Record<string, string> {
  const kept = Object.entries(spec.annotations ?? {}).filter(([name]) => !hostAnnotations.includes(name))
  return {
    ...Object.fromEntries(kept),
    ...(terminationPath !== undefined && { [terminationPathAnnotation]: terminationPath }),
    ...(seccompFilter !== undefined && { [seccompFilterAnnotation]: seccompFilter.toString('base64') }),
    [bundlePath]: bundle,
    [containerType]: typeNames[containerKind(spec)],
  }
}
