/** The network that the command line gave a container (`kata-ts run --network`): its processes have a user of their own. */
import type { NetworkWishes } from '../../bundle/network.ts'
import type { Config } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { openNetns } from '../../linux/processes/netns.ts'
import type { ProcessRef } from '../../linux/processes/proc.ts'
import type { Logger } from '../../log.ts'
import { type Joined, joinNetwork, membersDir, plugIn } from '../../network/shared/shared.ts'
import { startUplink, type Uplink } from '../../network/uplink/uplink.ts'
import { takeHelperUser } from '../helper-user.ts'

export interface ContainerNetworkRequest {
  /** The sandbox's. */
  readonly id: string
  readonly namespace: string
  readonly wishes: NetworkWishes
  readonly config: Pick<Config, 'hypervisor'>
  readonly runDir: string
  readonly stateDir: string
  readonly log: Logger
  /** Aborts the start. */
  readonly signal: AbortSignal
}

export interface ContainerNetwork extends Pick<Uplink, 'lookAfter'> {
  /** Path of the container's network namespace. */
  readonly netns: string
}

/**
 * A shared network is held open by this very process, unless it fails.
 *
 * @throws KataError, those of {@link joinNetwork} and {@link startUplink}, and what taking a user throws.
 */
export async function takeContainerNetwork(
  ledger: Ledger,
  { id, namespace, wishes, config, runDir, stateDir, log, signal }: ContainerNetworkRequest,
): Promise<ContainerNetwork> {
  const { identity, lease } = await takeHelperUser(ledger, { namespace, id, config, log, signal })
  const { uid } = identity
  const { place } = wishes
  const members = place && membersDir(runDir, namespace, place.network)
  const joined =
    place === undefined || members === undefined
      ? undefined
      : await joinNetwork(ledger, { members, id, place })
  const { token } = lease
  try {
    const uplink = await startUplink(ledger, { wishes, uid, token, members, stateDir, signal })
    if (joined !== undefined) plugInGateway(joined, uplink.gateway)
    return { netns: `/proc/${uplink.container.pid}/ns/net`, lookAfter: uplink.lookAfter }
  } catch (error) {
    joined?.netns.close()
    throw error
  }
}

function plugInGateway(joined: Joined, { pid }: ProcessRef): void {
  const gateway = openNetns(`/proc/${pid}/ns/net`)
  try {
    plugIn(joined, gateway)
  } finally {
    gateway.close()
  }
}
