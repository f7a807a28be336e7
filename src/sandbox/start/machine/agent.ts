/** The end of a machine, watched from the start of its VMM on; and the connection to its agent, made before its guest runs. */
import type { AgentConnection, AgentOptions } from '../../../agent/connection.ts'
import type { HypervisorConfig } from '../../../config/config.ts'
import type { ProcessRef } from '../../../linux/processes/proc.ts'
import { processorWait } from '../../../linux/processes/processor-wait.ts'
import type { Vmm } from '../../../vmm/vmm.ts'
import { MachineEnd } from '../../end/machine-end.ts'
import type { ServedShare } from '../../storage/start-share.ts'
import type { SandboxCgroups, StartHost } from '../host.ts'

export interface WatchedMachine {
  /** The sandbox's, which a machine that waits gets later. */
  readonly id: string
  readonly config: { readonly hypervisor: Pick<HypervisorConfig, 'path'> }
  readonly vmm: Pick<Vmm, 'consoleTail' | 'ended'>
  readonly vmmProcess: Pick<ProcessRef, 'pid'>
  readonly cgroups: Pick<SandboxCgroups, 'outOfMemory'>
  readonly share: { readonly share: Pick<ServedShare['share'], 'exited'> } | undefined
  /** Aborts the start. */
  readonly signal: AbortSignal
}

/** Collects the signs of the machine's end. */
export function watchMachine(machine: WatchedMachine): MachineEnd {
  const { config, vmm, vmmProcess, cgroups, share, signal } = machine
  const its = processorWait(vmmProcess.pid)
  // An answer that is there is late as well where this process gets no processor to read it.
  const ours = processorWait(process.pid)
  const end = new MachineEnd({
    get id() {
      return machine.id
    },
    program: config.hypervisor.path,
    consoleTail: () => vmm.consoleTail(),
    outOfMemory: () => cgroups.outOfMemory(),
    waited: () => its() + ours(),
  })
  void vmm.ended.then((told) => end.tell('machine', told))
  void share?.share.exited.then((exit) => end.tell('share', exit))
  // Signs of an end that we cause need no explanation.
  signal.addEventListener('abort', () => end.tell('asked', true), { once: true })
  return end
}

/**
 * Connects to the agent's port. From here on, the machine's end explains each call that is lost.
 *
 * @throws KataError AGENT_UNREACHABLE.
 */
export async function connectToGuest(
  { connectAgent }: Pick<StartHost, 'connectAgent'>,
  { agent: endpoint }: Pick<Vmm, 'agent'>,
  {
    end,
    ...options
  }: Pick<AgentOptions, 'log' | 'goesOn'> & { readonly end: MachineEnd; readonly signal: AbortSignal },
): Promise<AgentConnection> {
  const agent = await connectAgent(endpoint, options)
  agent.explainLossBy((error) => end.explainLoss(error))
  void agent.closed.then((error) => end.tellAgentLost(error))
  return agent
}
