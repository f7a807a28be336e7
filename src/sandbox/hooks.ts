/**
 * Hooks of the OCI specification are programs of the host that look at a container's process and namespaces there. Of a
 * container in a virtual machine the host has neither, so none is run, and none is handed to the guest; this says so
 * instead of letting somebody wait for what a hook would have done.
 */
import type { Logger } from '../log.ts'
import type { OciSpec } from './oci.ts'

export function warnOfHooks({ hooks }: OciSpec, container: string, log: Logger): void {
  const paths = Object.values((hooks ?? {}) as Record<string, unknown>)
    .flat()
    .map((hook) => String((hook as { path?: unknown } | null)?.path ?? ''))
    .filter((path) => path !== '')
  if (paths.length > 0)
    log.warn('hooks of the host are not run for a container in a machine', { container, paths })
}
