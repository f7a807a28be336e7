/** The guest, from its first instruction until it is told what its sandbox is. */
import type { AgentFacts } from '../../../agent/agent-facts.ts'
import type { AgentConnection } from '../../../agent/connection.ts'
import type { Config } from '../../../config/config.ts'
import { KataError } from '../../../errors.ts'
import type { NetworkFacts } from '../../../network/facts.ts'
import { within } from '../../../time.ts'
import type { AcceleratorChoice } from '../../../vmm/kvm/accelerator.ts'
import { machineModules } from '../../../vmm/machine/guest-modules.ts'
import { lastWords } from '../../../vmm/monitor/end-error.ts'
import type { Vmm } from '../../../vmm/vmm.ts'
import type { MachineEnd } from '../../end/machine-end.ts'
import type { ModuleBringer } from '../../storage/brought-modules.ts'
import { shareDevices } from '../../storage/share-attachments.ts'
import type { ServedShare } from '../../storage/start-share.ts'
import type { SandboxRequest } from '../request.ts'
import type { Timings } from '../timings.ts'
import { guestUp, whileGuestLives } from './guest-up.ts'
import { startGuest } from './start-guest.ts'

export interface GuestMachine {
  /** Settles when kernel and initrd were found to be those that were built. */
  readonly verified: Promise<void>
  readonly vmm: Pick<Vmm, 'boot' | 'consoleTail' | 'offlineVcpus'>
  readonly agent: AgentConnection
  readonly end: MachineEnd
  readonly accelerator: AcceleratorChoice
  /** Called once the guest runs. Must not reject. */
  readonly onBooted?: () => Promise<void>
}

/**
 * Lets the guest run once it is verified, and waits until its agent answers. No guest code runs from a kernel that is not the
 * one that was built.
 *
 * @throws KataError IMAGE_CHECKSUM_MISMATCH, and those of {@link guestUp}; the signal's reason.
 */
export async function bootGuest(
  { verified, vmm, agent, end, accelerator: choice, onBooted }: GuestMachine,
  request: Pick<SandboxRequest, 'id' | 'signal'> & { readonly config: Pick<Config, 'agent'> },
  { measure }: Pick<Timings, 'measure'>,
): Promise<void> {
  const { id, config, signal } = request
  await end.during(verified)
  // The start may have been aborted while no step was waiting for it.
  signal.throwIfAborted()
  await measure('guest boot', async () => {
    await vmm.boot()
    const done = onBooted?.()
    try {
      await guestUp({ id, vmm, agent, config, choice, end })
    } finally {
      await done
    }
  })
}

/**
 * Tells a guest that is up what its sandbox is, and returns what its agent says of itself.
 *
 * @throws KataError GUEST_SETUP_TIMEOUT for a guest that answers but does not do it within create_container_timeout; those of
 *   {@link whileGuestLives}.
 */
export async function setUpGuest(
  {
    vmm,
    agent,
    end,
  }: Pick<GuestMachine, 'agent' | 'end'> & { readonly vmm: Pick<Vmm, 'offlineVcpus' | 'consoleTail'> },
  request: Pick<SandboxRequest, 'id' | 'hostname' | 'shmBytes' | 'network' | 'config'>,
  {
    share,
    network,
    modules,
  }: {
    readonly share: ServedShare | undefined
    readonly network: NetworkFacts
    readonly modules: ModuleBringer
  },
  { measure }: Pick<Timings, 'measure'>,
): Promise<AgentFacts> {
  const { id, hostname, shmBytes, config } = request
  const start = {
    sandboxId: id,
    hostname,
    shmBytes,
    network,
    dns: request.network.dns,
    shares: shareDevices(share),
    modules,
    kernelModules: [...machineModules(config.hypervisor), ...config.agent.kernelModules],
    offlineVcpus: vmm.offlineVcpus,
  }
  const seconds = config.runtime.createContainerTimeout
  let doing = ''
  const done = measure('guest sandbox', () => startGuest(agent, start, (what) => (doing = what)))
  const facts = await whileGuestLives(within(done, seconds * 1000), { agent, end })
  if (facts !== undefined) return facts
  throw new KataError('GUEST_SETUP_TIMEOUT', {
    sandbox: id,
    seconds,
    doing,
    tail: lastWords(vmm.consoleTail()),
  })
}
