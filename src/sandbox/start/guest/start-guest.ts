/** The first words with a guest that has just come up: its clock, its entropy, and what the sandbox is. */
import { type AgentFacts, askAgent } from '../../../agent/agent-facts.ts'
import type { AgentClient } from '../../../agent/client.ts'
import type { AgentConnection } from '../../../agent/connection.ts'
import type { NetworkFacts } from '../../../network/facts.ts'
import type { SharePlace } from '../../../sharing/share.ts'
import { tellNetwork } from '../../guest/guest-network.ts'
import type { ModuleBringer } from '../../storage/brought-modules.ts'
import { shmStorage } from '../../storage/shm.ts'

export interface GuestStart {
  readonly sandboxId: string
  readonly hostname: string
  /** The shares that the guest mounts. */
  readonly shares: readonly SharePlace[]
  /** Size of the pod's /dev/shm. */
  readonly shmBytes: number
  readonly network: NetworkFacts
  /** Lines of resolv.conf for the guest itself. */
  readonly dns: readonly string[]
  readonly kernelModules: readonly string[]
  readonly modules: ModuleBringer
  /** Processors to bring online now: the machine boots with one, which is quicker. */
  readonly offlineVcpus: number
}

/** Bytes of host entropy given to the guest at start. */
const seedBytes = 64
/** The kernel's limit (HOST_NAME_MAX); longer names are cut as in Kata. */
const maxHostname = 64

/** Returns what the agent says of itself. `doing` hears what the guest has to do next, as a verb. */
export async function startGuest(
  { agent }: Pick<AgentConnection, 'agent'>,
  start: GuestStart,
  doing: (what: string) => void = () => {},
): Promise<AgentFacts> {
  doing('set its clock and its random seed')
  await renewGuest(agent)
  doing('set up its network')
  await tellNetwork(agent, start.network)
  doing('take the kernel modules that it is to load')
  const kernelModules = start.kernelModules.map(parseModule)
  await start.modules.bring(kernelModules.map(({ name }) => name))
  doing('mount what its sandbox needs and load its kernel modules')
  await agent.createSandbox({
    sandboxId: start.sandboxId,
    hostname: start.hostname.slice(0, maxHostname),
    storages: [...start.shares.map(shareStorage), shmStorage(start.shmBytes)],
    dns: [...start.dns],
    kernelModules,
  })
  doing('say what its agent can do')
  const facts = await askAgent(agent)
  if (start.offlineVcpus === 0) return facts
  doing('bring its processors online')
  await agent.onlineCPUMem({ nbCpus: start.offlineVcpus, cpuOnly: true, wait: true })
  return facts
}

/** Gives a guest the host's time, and randomness that no other guest has. */
export async function renewGuest(
  agent: Pick<AgentClient, 'setGuestDateTime' | 'reseedRandomDev'>,
): Promise<void> {
  await Promise.all([
    tellTime(agent),
    agent.reseedRandomDev({ data: crypto.getRandomValues(new Uint8Array(seedBytes)) }),
  ])
}

/** Sets the guest's clock to the host's. */
export async function tellTime(agent: Pick<AgentClient, 'setGuestDateTime'>): Promise<void> {
  const now = Date.now()
  await agent.setGuestDateTime({
    sec: BigInt(Math.floor(now / 1000)),
    usec: BigInt((now % 1000) * 1000),
  })
}

function shareStorage({ tag, guestPath }: SharePlace) {
  return { driver: 'virtio-fs', source: tag, fstype: 'virtiofs', mountPoint: guestPath }
}

/** `name parameter...`, as `kernel_modules` of the configuration writes it. */
function parseModule(line: string): { name: string; parameters: string[] } {
  const [name = '', ...parameters] = line.trim().split(/\s+/)
  return { name, parameters }
}
