/** What the guest says of a file system that is mounted in it alone. */
import type { AgentClient } from '../../agent/client.ts'
import { plainText } from '../../plain-text.ts'
import type { VolumeStatsResponse } from '../../protocol/generated/agent.ts'
import { VolumeUsage_Unit } from '../../protocol/generated/agent.ts'

const units = [VolumeUsage_Unit.BYTES, VolumeUsage_Unit.INODES]
/** The longest message about a volume's condition, characters. */
const mostMessage = 256

/**
 * Figures of the volume that is mounted at `volumeGuestPath`: at most one line for each unit, and a message in plain text.
 *
 * @throws TtrpcError with the guest's reason.
 */
export async function volumeStats(
  agent: Pick<AgentClient, 'getVolumeStats'>,
  volumeGuestPath: string,
): Promise<VolumeStatsResponse> {
  const { usage, volumeCondition } = await agent.getVolumeStats({ volumeGuestPath })
  const { abnormal = false, message = '' } = volumeCondition ?? {}
  return {
    usage: units.flatMap((unit) => usage.find((one) => one.unit === unit) ?? []),
    volumeCondition: { abnormal, message: plainText(message, mostMessage) },
  }
}
