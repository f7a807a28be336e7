/** Who answers in the guest, and what it can: it is asked once, when the sandbox is there (GetGuestDetails). */
import { KataError } from '../errors.ts'
import { plainText } from '../plain-text.ts'
import type { AgentClient } from './client.ts'

export interface AgentFacts {
  /** `kata-ts` is the agent of the guest that we build; every other one is taken for Kata's. */
  readonly name: 'kata-ts' | 'kata'
  /** As it says; bounded, and without control characters. */
  readonly version: string
  /** Whether it can give a container its seccomp profile. */
  readonly seccomp: boolean
  /** Whether it copies volumes that change on the host (Kata's `watchable-bind`). */
  readonly watchesVolumes: boolean
  /** The unit in which its kernel takes memory, MiB. */
  readonly memoryBlockMiB: number
}

/** Word among the features of our own agent (guest/agent/src/system/version.ts). */
const ownFeature = 'kata-ts'
/** Name of the driver in Kata's Storage message. */
export const watchDriver = 'watchable-bind'
const longestVersion = 64
/** What a guest takes memory in when it does not say, MiB. */
const usualBlockMiB = 128
const mebibyte = 1024 * 1024
/** Linux has none smaller on any processor, and none larger on those that we know, MiB. */
const blocks = { least: 2, most: 2048 }

/** @throws TtrpcError with the guest's reason; KataError AGENT_MISBEHAVED when its memory blocks can be none of Linux's. */
export async function askAgent(agent: Pick<AgentClient, 'getGuestDetails'>): Promise<AgentFacts> {
  const { agentDetails, memBlockSizeBytes } = await agent.getGuestDetails({
    ...{ memBlockSize: true, memHotplugProbe: true },
  })
  return {
    name: agentDetails?.extraFeatures.includes(ownFeature) ? 'kata-ts' : 'kata',
    version: plainText(agentDetails?.version ?? '', longestVersion),
    seccomp: agentDetails?.supportsSeccomp ?? false,
    watchesVolumes: agentDetails?.storageHandlers.includes(watchDriver) ?? false,
    memoryBlockMiB: blockMiB(memBlockSizeBytes),
  }
}

/** The machine grows by whole blocks, so that a guest with a huge one would choose how much memory it gets. */
function blockMiB(bytes: bigint): number {
  if (bytes === 0n) return usualBlockMiB
  const size = Number(bytes) / mebibyte
  if (Number.isInteger(Math.log2(size)) && size >= blocks.least && size <= blocks.most) return size
  throw new KataError('AGENT_MISBEHAVED', {
    method: 'GetGuestDetails',
    reason: `memory blocks of ${bytes} bytes`,
  })
}

/** As errors and `inspect` name it: `Kata's agent 4.1.0`. */
export function describeAgent({ name, version }: Pick<AgentFacts, 'name' | 'version'>): string {
  return `${name === 'kata-ts' ? 'the agent of kata-ts' : "Kata's agent"} ${version || 'of unknown version'}`
}
