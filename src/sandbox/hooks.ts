/**
 * Hooks of the OCI specification are programs of the host that look at a container's process and namespaces there. Of a
 * container in a virtual machine the host has neither, so none is run, except those that make its network
 * (network-hooks.ts), and none is handed to the guest; this says so instead of letting somebody wait for what a hook
 * would have done.
 */
import type { Logger } from '../log.ts'
import { networkStages } from './network-hooks.ts'
import type { OciSpec } from './oci.ts'

/** `madeNetwork`: those that make a network were run. */
export function warnOfHooks({ hooks }: OciSpec, container: string, log: Logger, madeNetwork = false): void {
  const paths = Object.entries((hooks ?? {}) as Record<string, unknown>)
    .filter(([stage]) => !madeNetwork || !networkStages.includes(stage))
    .flatMap(([, list]) => list)
    .map((hook) => String((hook as { path?: unknown } | null)?.path ?? ''))
    .filter((path) => path !== '')
  if (paths.length > 0)
    log.warn('hooks of the host are not run for a container in a machine', { container, paths })
}
