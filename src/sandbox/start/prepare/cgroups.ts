/** The sandbox's cgroups, which count and limit all that it starts from here on. */
import type { Ledger } from '../../../ledger/ledger.ts'
import { isPodSandbox } from '../../../oci/annotations.ts'
import type { MachineSize } from '../../../vmm/vmm.ts'
import { hostWideName } from '../../records/member-namespace.ts'
import { memoryBound } from '../../size/memory-bound.ts'
import type { SandboxCgroups, StartHost } from '../host.ts'
import type { SandboxRequest } from '../request.ts'

/** `memoryMiB` is the machine's at boot. @throws KataError, those of {@link CgroupPlacement.enter}. */
export function enterCgroups(
  host: Pick<StartHost, 'enterCgroups'>,
  ledger: Ledger,
  {
    namespace,
    id,
    container,
    config,
    log,
  }: Pick<SandboxRequest, 'namespace' | 'id' | 'container' | 'config' | 'log'>,
  { memoryMiB }: Pick<MachineSize, 'memoryMiB'>,
  besideThem?: Promise<void>,
): Promise<SandboxCgroups> {
  return host.enterCgroups(ledger, {
    sandboxId: hostWideName(namespace, id),
    cgroupsPath: container.spec.linux?.cgroupsPath,
    isPod: isPodSandbox(container.spec),
    only: config.runtime.sandboxCgroupOnly,
    memoryBytes: memoryBound(memoryMiB),
    ...(besideThem !== undefined && { besideThem }),
    log,
  })
}
