/** What a volume has, in the terms of the Container Storage Interface. Pure: tested on the host. */
import type { fileSystem } from 'syscalls'
import { type VolumeUsage, VolumeUsage_Unit } from '../../../../src/protocol/generated/agent.ts'

/** As a kubelet counts: what a file system keeps for root is neither used nor available. */
export function volumeUsage(facts: ReturnType<typeof fileSystem>): VolumeUsage[] {
  const [fragment, blocks, free, available, nodes, freeNodes] = facts
  const bytes = (fragments: number) => BigInt(fragments) * BigInt(fragment)
  return [
    {
      total: bytes(blocks),
      available: bytes(available),
      used: bytes(blocks - free),
      unit: VolumeUsage_Unit.BYTES,
    },
    {
      total: BigInt(nodes),
      available: BigInt(freeNodes),
      used: BigInt(nodes - freeNodes),
      unit: VolumeUsage_Unit.INODES,
    },
  ]
}
