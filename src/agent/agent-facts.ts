/** Which agent answers in the guest, and what it can do. Asked once, after the sandbox is created (GetGuestDetails). */
import { KataError } from '../errors.ts'
import { plainText } from '../plain-text.ts'
import { watchDriver } from '../protocol/storage-drivers.ts'
import type { AgentClient } from './client.ts'

export interface AgentFacts {
  /** `kata-ts` is the agent of the guest that we build. Any other agent counts as Kata's. */
  readonly name: 'kata-ts' | 'kata'
  /** The agent's own claim, bounded, without control characters. */
  readonly version: string
  /** Whether it can apply seccomp profiles to containers. */
  readonly seccomp: boolean
  /** Whether much output and input of processes may go through the stream buffer of the share. */
  readonly usesStreamBuffer: boolean
  /** Whether it copies volumes that change on the host (Kata's `watchable-bind`). */
  readonly watchesVolumes: boolean
  /** The unit in which the guest's kernel takes memory, MiB. */
  readonly memoryBlockMiB: number
}

/** A word among the features of our own agent (guest/agent/src/system/version.ts). */
const ownFeature = 'kata-ts'
const buffersFeature = 'stream-buffers'
const longestVersion = 64
/** The memory block of a guest that does not name one, MiB. */
const usualBlockMiB = 128
const mebibyte = 1024 * 1024
/** Linux has no smaller block on any processor, and no larger one on those that we know, MiB. */
const blocks = { least: 2, most: 2048 }

/** @throws TtrpcError with the guest's reason; KataError AGENT_MISBEHAVED for a memory block that Linux cannot have. */
export async function askAgent(agent: Pick<AgentClient, 'getGuestDetails'>): Promise<AgentFacts> {
  const { agentDetails, memBlockSizeBytes } = await agent.getGuestDetails({
    memBlockSize: true,
    memHotplugProbe: true,
  })
  return {
    name: agentDetails?.extraFeatures.includes(ownFeature) ? 'kata-ts' : 'kata',
    version: plainText(agentDetails?.version ?? '', longestVersion),
    usesStreamBuffer: agentDetails?.extraFeatures.includes(buffersFeature) ?? false,
    seccomp: agentDetails?.supportsSeccomp ?? false,
    watchesVolumes: agentDetails?.storageHandlers.includes(watchDriver) ?? false,
    memoryBlockMiB: blockMiB(memBlockSizeBytes),
  }
}

/** The machine grows by whole blocks, so a guest that claims a huge block would choose how much memory it gets. */
function blockMiB(bytes: bigint): number {
  if (bytes === 0n) return usualBlockMiB
  const size = Number(bytes) / mebibyte
  if (Number.isInteger(Math.log2(size)) && size >= blocks.least && size <= blocks.most) return size
  throw new KataError('AGENT_MISBEHAVED', {
    method: 'GetGuestDetails',
    reason: `memory blocks of ${bytes} bytes`,
  })
}

/** The agent's name in errors and `inspect`: `Kata's agent 4.1.0`. */
export function describeAgent({ name, version }: Pick<AgentFacts, 'name' | 'version'>): string {
  return `${name === 'kata-ts' ? 'the agent of kata-ts' : "Kata's agent"} ${version || 'of unknown version'}`
}
