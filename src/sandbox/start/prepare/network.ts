/** The network, made beside the share: both start processes, and neither needs the other. */
import type { Ledger } from '../../../ledger/ledger.ts'
import type { SandboxNetwork } from '../../network/network.ts'
import type { SandboxPaths } from '../../records/paths.ts'
import { type Background, background } from '../background.ts'
import type { StartHost } from '../host.ts'
import type { SandboxRequest } from '../request.ts'
import type { Timings } from '../timings.ts'
import type { SandboxUser } from './user.ts'

/** Fails with the KataError of {@link SandboxNetwork.create}. Its processes inherit the cgroup that ours is in. */
export function makeNetwork(
  { createNetwork }: Pick<StartHost, 'createNetwork'>,
  ledger: Ledger,
  request: SandboxRequest & {
    readonly paths: Pick<SandboxPaths, 'runDir' | 'stateDir'>
    readonly user: Pick<SandboxUser, 'identity'>
  },
  { measure }: Pick<Timings, 'measure'>,
): Background<SandboxNetwork> {
  const { id, namespace, network, config, log, signal, paths, user } = request
  const { runDir, stateDir } = paths
  const { identity } = user
  return background((leaving) => {
    const making = { ledger, config, log, signal: AbortSignal.any([signal, leaving]) }
    return measure('make network', () =>
      createNetwork(network, { ...making, id, namespace, runDir, stateDir, identity }),
    )
  })
}
