/** The pod's share with its daemons, where there is a shared file system. */
import type { Config } from '../../../config/config.ts'
import type { Ledger } from '../../../ledger/ledger.ts'
import type { ContainerRequest } from '../../container-request.ts'
import { shareWay } from '../../disks/share-way.ts'
import type { SandboxPaths } from '../../records/paths.ts'
import type { ServedShare } from '../../storage/start-share.ts'
import type { StartHost } from '../host.ts'
import type { Timings } from '../timings.ts'
import type { SandboxUser } from './user.ts'

export interface PodShareRequest {
  readonly config: Config
  readonly paths: SandboxPaths
  readonly user: SandboxUser
  /** {@link ShareRequest.container}. */
  readonly container: ContainerRequest | undefined
  /** The kernel modules of the guest's image; undefined when the guest has another kernel. */
  readonly modules: string | undefined
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** Undefined without a shared file system. @throws KataError, those of {@link startShare}. */
export async function sharePod(
  { startShare }: Pick<StartHost, 'startShare'>,
  ledger: Ledger,
  { config, paths, user, ...request }: PodShareRequest,
  { measure }: Pick<Timings, 'measure'>,
): Promise<ServedShare | undefined> {
  const way = shareWay(config)
  if (way === 'none') return undefined
  const { privateDir, ids, identity } = user
  const clientUid = way === 'path' ? identity.uid : undefined
  const asked = { config, paths, privateDir, clientUid, ids, ...request }
  return await measure('virtiofsd', () => startShare(ledger, asked))
}
