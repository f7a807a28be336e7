/** Drivers of what a clone gets, loaded in its template: a module takes the guest's kernel tens of milliseconds, and is in memory once for all clones. */
import type { AgentConnection } from '../../agent/connection.ts'
import type { Config } from '../../config/config.ts'
import { shareWay } from '../disks/share-way.ts'

/** @throws TtrpcError with the guest's reason; KataError AGENT_DIED. */
export async function loadDrivers(
  { agent }: Pick<AgentConnection, 'agent'>,
  config: Pick<Config, 'hypervisor'>,
): Promise<void> {
  await agent.loadDrivers({ names: driversOf(config) })
}

/**
 * Drivers of a network, which most clones have. Without a share also those of disks, by either way, as one template has clones of both, and of the file systems on
 * them, of which ext4 is built in. The driver of the SCSI controller is left to the agent, which does not let it ask for disks that there are not.
 */
export function driversOf(config: Pick<Config, 'hypervisor'>): string[] {
  const network = ['virtio_net']
  return shareWay(config) === 'none' ? [...network, 'virtio_blk', 'sd_mod', 'erofs', 'overlay'] : network
}
